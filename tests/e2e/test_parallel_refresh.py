"""Many tabs refresh with the same token at the same time, over several worker processes."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import MakeServer
from tests.e2e.clients import Api, all_at_once, claims_of, granted, speaking_to

TABS = 50
ROUNDS = 5


def refresh_from_every_tab(apis: Sequence[Api], token: str) -> list[httpx.Response]:
    """Refresh with one token from all tabs at once, evenly spread over the servers."""
    return all_at_once([partial(api.refresh, token) for api in islice(cycle(apis), TABS)])


def events_of(sql: Sql, sid: str) -> Counter[str]:
    sql.rollback()
    return Counter(sql.scalars(select(AuditEvent.event).where(AuditEvent.sid == sid)))


def test_fifty_tabs_get_one_child_and_the_session_goes_on(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    accounts = [auth.create_user(f"nurse{number}@ward.example") for number in range(ROUNDS)]
    # Of one worker each, so that every one of them gets its share.
    servers = [api_server(workers=1, ratelimit_enabled=True) for _ in range(3)]
    with ExitStack() as stack:
        apis = [stack.enter_context(speaking_to(server)) for server in servers]
        for account, api in zip(accounts, cycle(apis), strict=False):
            first = api.tokens(account)
            answers = [granted(it) for it in refresh_from_every_tab(apis, first["refresh"])]

            children = [claims_of(answer["refresh"]) for answer in answers]
            assert {child["gen"] for child in children} == {2}
            assert len({child["jti"] for child in children}) == 1
            assert len({answer["refresh"] for answer in answers}) == 1
            assert Counter(answer["reissued"] for answer in answers) == {False: 1, True: TABS - 1}
            assert {claims_of(answer["access"])["gen"] for answer in answers} == {2}
            sid = first["session"]["id"]
            assert events_of(sql, sid) == {
                Event.LOGIN_SUCCEEDED: 1,
                Event.SESSION_REFRESHED: 1,
                Event.SESSION_REISSUED: TABS - 1,
            }
            assert all(api.me(answer["access"]).status_code == 200 for answer in answers[::10])
            after = granted(api.refresh(answers[0]["refresh"]))
            assert not after["reissued"]
            assert claims_of(after["refresh"])["gen"] == 3
            assert api.me(after["access"]).status_code == 200


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_strict_single_use_grants_one_of_fifty_and_ends_the_session(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    account = auth.create_user()
    server = api_server(workers=2, rotation_grace_seconds=0, lost_response_window_seconds=0)
    with speaking_to(server) as api:
        first = api.tokens(account)
        answers = refresh_from_every_tab([api], first["refresh"])

        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: TABS - 1}
        assert {it.json()["reason"] for it in answers if it.status_code == 401} == {"reused"}
        winner = next(granted(it) for it in answers if it.status_code == 200)
        assert api.refresh(winner["refresh"]).json()["reason"] == "reused"
        assert api.me(winner["access"]).json()["reason"] == "reused"
    row = sql.scalars(select(Session)).one()
    assert row.end_reason == "reused"
    assert events_of(sql, row.id)[Event.SESSION_REUSED] == 1


def test_tabs_that_share_no_token_store_refresh_for_a_while_and_none_is_refused(
    auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    """Each of four tabs goes on from its own last answer, so that they overtake each other."""
    account = auth.create_user()
    server = api_server(workers=2)
    with speaking_to(server) as api:
        first = api.tokens(account)

        def refresh_ten_times() -> str:
            token: str = first["refresh"]
            for _ in range(10):
                token = granted(api.refresh(token))["refresh"]
            return token

        newest = max((claims_of(it) for it in all_at_once([refresh_ten_times] * 4)), key=generation)
    row = sql.scalars(select(Session)).one()
    assert row.ended_at is None
    assert (newest["gen"], newest["jti"]) == (row.generation, row.refresh_jti)


def generation(claims: dict[str, int]) -> int:
    return claims["gen"]
