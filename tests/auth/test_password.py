"""Changing one's own password: what it demands, and which sessions it ends."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api.accounts.models import User
from carelink_api.session_profiles import SessionProfiles, StandardProfile
from tests.auth.helpers import SQLITE, claims_of, events, refused_with
from tests.auth_helper import PASSWORD, Auth
from tests.conftest import MakeApp, Travel
from tests.servers import ValkeyServer

NEW = "seven umbrellas on the quay"


@pytest.fixture
def mine(auth: Auth) -> dict[str, Any]:
    auth.create_user()
    return auth.tokens()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


def change(
    auth: Auth, pair: dict[str, Any], current: str = PASSWORD, new: str = NEW
) -> TestResponse:
    body = {"current_password": current, "new_password": new}
    return auth.post("password", body, access=pair["access"])


def password_hash(sql: Sql) -> str:
    sql.rollback()
    return sql.scalars(select(User.password_hash)).one()


def test_only_the_new_password_logs_in_afterwards(auth: Auth, mine: dict[str, Any]) -> None:
    assert change(auth, mine).status_code == 200
    assert auth.login(password=PASSWORD).status_code == 401
    assert auth.login(password=NEW).status_code == 200


def test_a_wrong_current_password_changes_nothing_and_counts(
    auth: Auth, mine: dict[str, Any], sql: Sql
) -> None:
    before = password_hash(sql)
    response = change(auth, mine, current="not the password")
    assert response.status_code == 401
    assert response.get_json()["code"] == "invalid_credentials"
    assert password_hash(sql) == before
    assert sql.scalars(select(User.failed_logins)).one() == 1
    (event,) = events(sql, "user:password_refused")
    assert (event.outcome, event.sid) == ("refused", mine["session"]["id"])
    assert auth.refresh(mine["refresh"]).status_code == 200


@pytest.mark.parametrize(
    "weak", ["short", "password", "passwordpassword", "nurse@ward.example", "aaaaaaaaaaaaaaaaaaaa"]
)
def test_a_weak_new_password_is_refused_with_reasons(
    weak: str, auth: Auth, mine: dict[str, Any], sql: Sql
) -> None:
    before = password_hash(sql)
    response = change(auth, mine, new=weak)
    assert response.status_code == 422
    (reason, *_) = response.get_json()["errors"]["new_password"]
    assert reason.endswith(".")
    assert weak not in response.text or weak == "password"
    assert password_hash(sql) == before
    assert auth.refresh(mine["refresh"]).status_code == 200


def test_the_other_sessions_end_and_say_why(auth: Auth, mine: dict[str, Any]) -> None:
    auth.create_user("other@ward.example")
    theirs = auth.tokens("other@ward.example")
    tablet = auth.tokens()
    new = change(auth, mine).get_json()
    assert refused_with(auth.me(tablet["access"]), "revoked")
    assert refused_with(auth.refresh(tablet["refresh"]), "revoked")
    assert auth.me(theirs["access"]).status_code == 200
    items = auth.get("/api/auth/sessions/", new["access"]).get_json()["items"]
    assert {item["id"]: item["end_reason"] for item in items} == {
        mine["session"]["id"]: None,
        tablet["session"]["id"]: "password_changed",
    }


def test_the_own_session_goes_on_by_the_new_pair(auth: Auth, mine: dict[str, Any]) -> None:
    new = change(auth, mine).get_json()
    assert new["session"] == mine["session"]
    assert claims_of(new["refresh"])["gen"] == 2
    assert auth.me(new["access"]).status_code == 200
    assert auth.refresh(new["refresh"]).status_code == 200


def test_the_old_refresh_token_is_reuse_at_once(auth: Auth, mine: dict[str, Any]) -> None:
    new = change(auth, mine).get_json()
    assert refused_with(auth.refresh(mine["refresh"]), "reused")
    assert refused_with(auth.me(new["access"]), "reused")


def test_the_old_refresh_token_is_reuse_also_after_rotations(
    auth: Auth, mine: dict[str, Any]
) -> None:
    second = auth.refresh(mine["refresh"]).get_json()
    new = change(auth, second).get_json()
    assert claims_of(new["refresh"])["gen"] == 3
    assert refused_with(auth.refresh(second["refresh"]), "reused")


def test_one_event_for_the_change_and_one_for_each_ended_session(
    auth: Auth, mine: dict[str, Any], sql: Sql
) -> None:
    tablet = auth.tokens()
    before = len(events(sql))
    change(auth, mine)
    changed, revoked = events(sql)[before:]
    assert (changed.event, changed.sid) == ("user:password_changed", mine["session"]["id"])
    assert (revoked.event, revoked.sid) == ("session:revoked", tablet["session"]["id"])
    assert revoked.reason == "password_changed"
    assert {changed.actor, revoked.actor} == {f"user:{mine['user']['id']}"}


def test_without_an_access_token_nothing_is_even_looked_at(
    auth: Auth, mine: dict[str, Any]
) -> None:
    for body in ({}, {"current_password": PASSWORD, "new_password": NEW}):
        assert auth.post("password", body).get_json()["code"] == "not_authenticated"


def test_while_redis_is_down_it_is_pending_and_holds(
    make_app: MakeApp, own_valkey: ValkeyServer
) -> None:
    auth = Auth(make_app(redis_url=own_valkey.url))
    auth.create_user()
    mine, tablet = auth.tokens(), auth.tokens()
    own_valkey.kill()
    response = change(auth, mine)
    assert (response.status_code, response.get_json()["pending"]) == (202, True)
    assert refused_with(auth.me(tablet["access"]), "revoked")
    assert auth.me(response.get_json()["access"]).status_code == 200


@SQLITE
@pytest.mark.settings(ratelimit_enabled=True)
def test_five_changes_a_minute_are_enough(auth: Auth, mine: dict[str, Any], sql: Sql) -> None:
    answers = [change(auth, mine, current="not the password") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert len(events(sql, "token:throttled")) == 1
    assert auth.me(mine["access"]).status_code == 200


def test_a_session_that_is_over_changes_no_password_in_its_tokens_leeway(
    sql: Sql, make_app: MakeApp, travel: Travel
) -> None:
    short = {"access_seconds": 60, "absolute_seconds": 60, "idle_seconds": 0}
    app = make_app(session_profiles=SessionProfiles(standard=StandardProfile(**short)))
    late = Auth(app)
    late.create_user("late@ward.example")
    pair = late.tokens("late@ward.example")
    before = password_hash(sql)
    travel(64)
    assert late.me(pair["access"]).status_code == 200
    assert refused_with(change(late, pair), "session_expired")
    assert password_hash(sql) == before
