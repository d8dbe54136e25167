"""A login that runs while its account changes is refused, or its session ends with the others."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.sessions import accounts
from carelink_api.sessions.models import Session
from tests.auth_helper import Account, Auth
from tests.conftest import MakeServer
from tests.e2e.clients import Api, granted, refused, refused_in_time, speaking_to

ROUNDS = 20
STREAMS = 3
NEW_PASSWORD = "seven copper kites over the estuary"
MANY_SESSIONS = 1000
"""The cap must not be what ends the sessions."""


def race_logins(api: Api, account: Account, act: Callable[[], object]) -> list[dict[str, Any]]:
    """Log in without a pause from several threads, `act` in their midst, until each is refused.

    Returns the last grant of each thread: those nearest to the act.
    """
    running, over = threading.Event(), threading.Event()

    def log_in_until_refused() -> dict[str, Any]:
        last: dict[str, Any] = {}
        while not over.is_set():
            answer = api.login(account)
            if answer.status_code in (401, 403):
                return last
            last = granted(answer)
            running.set()
        raise AssertionError("it was never refused")

    with ThreadPoolExecutor(STREAMS) as pool:
        streams = [pool.submit(log_in_until_refused) for _ in range(STREAMS)]
        try:
            assert running.wait(20)
            act()
            return [last for stream in streams if (last := stream.result(20))]
        finally:
            over.set()


def live_sessions(sql: Sql, account: Account) -> list[str]:
    sql.rollback()
    live = select(Session.id).where(Session.user_id == account.id, Session.ended_at.is_(None))
    return list(sql.scalars(live))


def assert_dead(api: Api, pair: dict[str, Any], reason: str) -> None:
    assert refused_in_time(partial(api.me, pair["access"]), time.monotonic()) == reason
    assert refused(api.refresh(pair["refresh"])) == reason


def test_no_token_of_a_login_that_races_disabling_works(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    server = api_server(workers=2, max_sessions_per_user=MANY_SESSIONS)

    def disable(account: Account) -> None:
        with auth.app.app_context():
            accounts.disable_user(db.session(), account.id, now=clock.now(), actor="cli")

    with speaking_to(server) as api:
        for number in range(ROUNDS):
            account = auth.create_user(f"leaver{number}@ward.example")
            last = race_logins(api, account, partial(disable, account))

            assert last
            assert live_sessions(sql, account) == []
            for pair in last:
                assert_dead(api, pair, "user_disabled")


def test_no_token_of_a_login_that_races_a_password_change_works(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    server = api_server(workers=2, max_sessions_per_user=MANY_SESSIONS)
    changed: list[dict[str, Any]] = []

    def change(api: Api, access: str, account: Account) -> None:
        changed.append(granted(api.change_password(access, account.password, NEW_PASSWORD)))

    with speaking_to(server) as api:
        for number in range(ROUNDS):
            account = auth.create_user(f"nurse{number}@ward.example")
            own = api.tokens(account)["access"]
            last = race_logins(api, account, partial(change, api, own, account))

            assert last
            assert live_sessions(sql, account) == [changed[-1]["session"]["id"]]
            for pair in last:
                assert_dead(api, pair, "revoked")
            assert api.me(changed[-1]["access"]).status_code == 200
            granted(api.refresh(changed[-1]["refresh"]))
            assert api.login(account).status_code == 401
            granted(api.login(account, NEW_PASSWORD))
