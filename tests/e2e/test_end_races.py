"""A refresh that runs while its session ends is refused, or what it brings is dead."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.sessions.models import Session
from carelink_api.sessions.revoking import Selection, revoke
from tests.auth_helper import Auth
from tests.conftest import MakeServer
from tests.e2e.clients import Api, granted, refused, refused_in_time, speaking_to

ROUNDS = 20
TABS = 3
Pair = dict[str, Any]


def race_refreshes(api: Api, first: Pair, end: Callable[[], object]) -> list[Pair]:
    """Refresh without a pause from several tabs, `end` in their midst, until each is refused.

    Returns the last two grants of each tab.
    """
    running, over = threading.Event(), threading.Event()

    def refresh_until_refused() -> list[Pair]:
        pairs = [first]
        while not over.is_set():
            answer = api.refresh(pairs[-1]["refresh"])
            if answer.status_code == 401:
                assert refused(answer) == "revoked"
                return pairs[-2:]
            pairs.append(granted(answer))
            running.set()
        raise AssertionError("it was never refused")

    with ThreadPoolExecutor(TABS) as pool:
        tabs = [pool.submit(refresh_until_refused) for _ in range(TABS)]
        try:
            assert running.wait(20)
            end()
            return [pair for tab in tabs for pair in tab.result(20)]
        finally:
            over.set()


def test_nothing_of_a_session_works_after_its_end_has_been_answered(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    account = auth.create_user()
    server = api_server(workers=2)

    def revoke_it(_api: Api, first: Pair) -> None:
        with auth.app.app_context():
            one = Selection(sid=first["session"]["id"])
            list(revoke(db.session(), one, "lost badge", now=clock.now(), actor="cli"))

    ways: list[Callable[[Api, Pair], object]] = [
        lambda api, first: granted(api.logout(first["refresh"])),
        lambda api, first: granted(api.end(first["session"]["id"], first["access"])),
        lambda api, first: granted(api.end_all(first["access"])),
        revoke_it,
    ]
    with speaking_to(server) as api:
        for way in islice(cycle(ways), ROUNDS):
            first = api.tokens(account)
            pairs = race_refreshes(api, first, partial(way, api, first))
            ended_at = time.monotonic()
            for pair in (first, *pairs):
                ask = partial(api.me, pair["access"])
                assert refused_in_time(ask, ended_at) == "revoked"
                assert refused(api.refresh(pair["refresh"])) == "revoked"
    assert sql.scalars(select(Session.id).where(Session.ended_at.is_(None))).all() == []
