"""A worker that dies takes no session with it, and its successor lets nobody back in."""

import os
import signal
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.sessions.models import Session
from tests.auth_helper import Auth, bearer
from tests.conftest import MakeServer
from tests.e2e.clients import Api, Load, each_worker, granted, refused, speaking_to
from tests.processes import wait_for
from tests.servers import ApiServer, ValkeyServer


def kill_workers(server: ApiServer, pids: list[int]) -> None:
    """Kill workers as a crash would, and wait for their successors."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)

    def all_replaced() -> bool:
        running = server.worker_pids()
        return len(running) == server.workers and not set(running) & set(pids)

    wait_for(all_replaced, "successors")


def patiently(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Call until an answer arrives, as a client does whose connection breaks."""
    answers: list[httpx.Response] = []

    def has_answered() -> bool:
        try:
            answers.append(call())
        except httpx.TransportError:
            return False
        return True

    wait_for(has_answered, "an answer")
    return answers[0]


class Tab:
    """Refreshes on and on, each time with the newest token that has reached it."""

    def __init__(self, api: Api, pair: dict[str, Any]) -> None:
        self.api = api
        self.pair = pair

    def refresh(self) -> httpx.Response:
        answer = patiently(partial(self.api.refresh, self.pair["refresh"]))
        if answer.status_code == 200:
            self.pair = answer.json()
        return answer

    def ask(self) -> httpx.Response:
        return patiently(lambda: self.api.me(self.pair["access"]))


def test_sessions_go_on_when_a_worker_is_killed_under_load(
    auth: Auth, api_server: MakeServer
) -> None:
    account = auth.create_user()
    server = api_server(workers=2)
    with speaking_to(server) as api:
        tabs = [Tab(api, api.tokens(account)) for _ in range(3)]
        with Load(*[tab.refresh for tab in tabs], *[tab.ask for tab in tabs], pause=0.005) as load:
            load.wait_for_more()
            kill_workers(server, server.worker_pids()[:1])
            load.wait_for_more(60)
        load.assert_all_were_served()
        with each_worker(server) as workers:
            for worker in workers:
                for tab in tabs:
                    granted(worker.me(tab.pair["access"]))


def test_new_workers_refuse_what_ended_before_them_though_redis_has_lost_it(
    auth: Auth, api_server: MakeServer, valkey: ValkeyServer
) -> None:
    account = auth.create_user()
    server = api_server(workers=2)
    with speaking_to(server) as api:
        healthy, ended = (api.tokens(account) for _ in range(2))
        granted(api.logout(ended["refresh"]))
    with valkey.client() as client:
        client.flushall()
    kill_workers(server, server.worker_pids())
    wait_for(server.answers, "the new workers")
    with speaking_to(server) as api:
        assert refused(patiently(lambda: api.me(ended["access"]))) == "revoked"
    with each_worker(server) as workers:
        for worker in workers:
            assert refused(worker.me(ended["access"])) == "revoked"
            granted(worker.me(healthy["access"]))


def test_a_worker_that_is_stopped_writes_down_who_was_active_last(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    server = api_server(workers=1)

    def active() -> tuple[int, datetime]:
        sql.rollback()
        row = sql.scalars(select(Session)).one()
        return row.used_generation, row.last_active_at

    with speaking_to(server) as api:
        pair = api.tokens(auth.create_user())
        api.http.get("/api/auth/sessions/", headers=bearer(pair["access"]))
        wait_for(lambda: active()[0] == 1, "the first note: it is written at once")
        before = active()[1]
        api.http.get("/api/auth/sessions/", headers=bearer(pair["access"]))
        server.stop()
    assert active()[1] > before
