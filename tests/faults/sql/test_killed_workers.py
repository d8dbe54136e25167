"""Workers that are killed in the middle of refreshes, again and again: nobody's session suffers."""

import os
import signal
import time

import psutil

from tests.auth_helper import Auth
from tests.conftest import MakeServer
from tests.e2e.clients import each_worker
from tests.faults.sql.conftest import StartCrowd
from tests.faults.sql.crowd import LOST, assert_one_line_each
from tests.processes import wait_for
from tests.servers import ApiServer

LEAST_KILLED, MOST_KILLED = 2, 10


def kill_the_oldest(server: ApiServer) -> float:
    """Kill the oldest worker; return how long it took until its successor answered.

    The oldest, since Granian ends where a worker dies again within 5.5 s of its start.
    """
    workers, started = server.worker_pids(), time.monotonic()
    oldest = min(workers, key=lambda pid: psutil.Process(pid).create_time())
    os.kill(oldest, signal.SIGKILL)

    def is_replaced() -> bool:
        running = server.worker_pids()
        return len(running) == server.workers and oldest not in running

    wait_for(is_replaced, "a successor", 60)
    with each_worker(server):
        return time.monotonic() - started


def test_no_session_ends_or_forks_when_workers_are_killed_in_mid_refresh(
    auth: Auth, api_server: MakeServer, store: str, crowd_on: StartCrowd
) -> None:
    server = api_server(workers=2, blocking_threads=32, max_sessions_per_user=100)
    with crowd_on(server, auth.create_user()) as crowd:
        crowd.wait_for("refresh", 200)
        since = time.monotonic()
        for killed in range(1, MOST_KILLED + 1):
            took = kill_the_oldest(server)
            print(f"MEASURED successor answers after {took:.2f} s")
            crowd.wait_for("refresh", 200)
            if killed >= LEAST_KILLED and crowd.statuses("refresh")[LOST]:
                break
        crowd.told("workers killed", since)
    assert set(crowd.statuses("read")) <= {200, LOST}
    assert set(crowd.statuses("refresh")) <= {200, LOST}
    assert crowd.statuses("refresh")[LOST], "no refresh was in flight: nothing was tried"
    assert_one_line_each(crowd, store)
