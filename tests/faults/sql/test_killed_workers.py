"""Workers that are killed in the middle of refreshes, again and again: nobody's session suffers."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial

import psutil
from sqlalchemy import Engine, create_engine, select

from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import MakeServer
from tests.e2e.clients import claims_of, each_worker
from tests.faults.sql.conftest import StartCrowd
from tests.faults.sql.crowd import LOST, Crowd, assert_one_line_each
from tests.processes import wait_for
from tests.servers import ApiServer, ValkeyServer

LEAST_KILLED, MOST_KILLED = 2, 10


def kill_the_oldest(server: ApiServer, then: Callable[[], None]) -> float:
    """Kill the oldest worker; return how long it took until its successor answered.

    The oldest, since Granian ends where a worker dies again within 5.5 s of its start.
    """
    workers, started = server.worker_pids(), time.monotonic()
    oldest = min(workers, key=lambda pid: psutil.Process(pid).create_time())
    os.kill(oldest, signal.SIGKILL)
    then()

    def is_replaced() -> bool:
        running = server.worker_pids()
        return len(running) == server.workers and oldest not in running

    wait_for(is_replaced, "a successor")
    with each_worker(server):
        return time.monotonic() - started


def an_answer_is_on_its_way(crowd: Crowd, engine: Engine) -> bool:
    """Say whether a refresh is committed of which its client knows nothing yet."""
    known = {tab.sid: claims_of(tab.pair["refresh"])["gen"] for tab in crowd.tabs}
    with engine.connect() as connection:
        rows = connection.execute(
            select(Session.id, Session.generation).where(Session.id.in_(known))
        ).all()
    return any(row.generation > known[row.id] for row in rows)


def test_no_session_ends_or_forks_when_workers_are_killed_in_mid_refresh(
    auth: Auth,
    api_server: MakeServer,
    store: str,
    own_valkey: ValkeyServer,
    crowd_on: StartCrowd,
) -> None:
    server = api_server(
        workers=2, blocking_threads=32, max_sessions_per_user=100, redis_url=own_valkey.url
    )
    engine = create_engine(store)
    with crowd_on(server, auth.create_user()) as crowd:
        crowd.wait_for("refresh", 200)
        since = time.monotonic()
        for killed in range(1, MOST_KILLED + 1):
            own_valkey.pause()  # a refresh waits for it after its commit, so that it can be hit
            try:
                wait_for(partial(an_answer_is_on_its_way, crowd, engine), "a commit")
                took = kill_the_oldest(server, own_valkey.resume)
            finally:
                own_valkey.resume()
            crowd.wait_for("refresh", 200)
            reissued = sum(tab.reissued for tab in crowd.tabs)
            print(f"MEASURED successor answers after {took:.2f} s, reissued {reissued}")
            if killed >= LEAST_KILLED and reissued:
                break
        crowd.told("workers killed", since)
    engine.dispose()
    assert crowd.unexcused("read") <= {200, LOST}
    assert crowd.unexcused("refresh") <= {200, LOST}
    assert reissued, "no answer was lost: nothing was tried"
    assert_one_line_each(crowd, store)
