"""Each token operation leaves exactly one event, which says who, what, when and where."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.extensions import db
from carelink_api.sessions.accounts import disable_user
from tests.auth.helpers import claims_of, events, take_notes
from tests.auth_helper import EMAIL, Auth
from tests.conftest import Travel

Pair = dict[str, Any]
REQUEST_ID = "audit-test-0001"
FROM: dict[str, Any] = {
    "headers": {"X-Request-ID": REQUEST_ID},
    "environ_overrides": {"REMOTE_ADDR": "198.51.100.4"},
}


@pytest.fixture
def pair(auth: Auth) -> Pair:
    auth.create_user()
    return auth.tokens()


def only(sql: Sql, act: Callable[[], TestResponse], status: int) -> AuditEvent:
    """Do something; return the one event that it leaves."""
    before = len(events(sql))
    response = act()
    assert response.status_code == status
    assert response.headers["X-Request-ID"] == REQUEST_ID
    (event,) = events(sql)[before:]
    assert event.request_id == REQUEST_ID
    assert event.address == "198.51.100.4"
    assert abs(clock.now() - event.recorded_at) < timedelta(seconds=20)
    return event


def told(event: AuditEvent) -> dict[str, Any]:
    names = ("event", "outcome", "reason", "actor", "user_id", "sid", "jti", "route")
    return {name: getattr(event, name) for name in names}


def test_a_login(auth: Auth, sql: Sql) -> None:
    user = auth.create_user()
    answers: list[TestResponse] = []

    def act() -> TestResponse:
        body = {"email": EMAIL, "password": user.password}
        answers.append(auth.post("login", body, **FROM))
        return answers[0]

    event = only(sql, act, 200)
    refresh = claims_of(answers[0].get_json()["refresh"])
    assert told(event) == {
        "event": "login:succeeded", "outcome": "success", "reason": None,
        "actor": f"user:{user.id}", "user_id": user.id, "sid": refresh["sid"],
        "jti": refresh["jti"], "route": "/api/auth/login/",
    }  # fmt: skip
    assert event.detail == {"profile": "standard", "shift_id": None, "factors": ["pwd"]}


def test_a_refused_login_of_a_stranger(auth: Auth, sql: Sql) -> None:
    body = {"email": "nobody@ward.example", "password": "whatever it is"}
    event = only(sql, lambda: auth.post("login", body, **FROM), 401)
    assert told(event) == {
        "event": "login:refused", "outcome": "refused", "reason": "unknown_user", "actor": None,
        "user_id": None, "sid": None, "jti": None, "route": "/api/auth/login/",
    }  # fmt: skip


def about(pair: Pair, jti: str | None, **other: Any) -> dict[str, Any]:
    """Return what an event on that pair's session tells."""
    user_id = pair["user"]["id"]
    return {
        "outcome": "success", "reason": None, "actor": f"user:{user_id}", "user_id": user_id,
        "sid": pair["session"]["id"], "jti": jti,
    } | other  # fmt: skip


def test_a_refresh_a_reissue_and_a_reuse(auth: Auth, pair: Pair, sql: Sql, travel: Travel) -> None:
    route, jti = "/api/auth/refresh/", claims_of(pair["refresh"])["jti"]
    event = only(sql, lambda: auth.refresh(pair["refresh"], **FROM), 200)
    assert told(event) == about(pair, jti, event="session:refreshed", route=route)
    event = only(sql, lambda: auth.refresh(pair["refresh"], **FROM), 200)
    assert told(event) == about(pair, jti, event="session:reissued", route=route)
    child = auth.refresh(pair["refresh"]).get_json()
    assert auth.me(child["access"]).status_code == 200
    take_notes(auth.app)
    travel(11)
    event = only(sql, lambda: auth.refresh(pair["refresh"], **FROM), 401)
    assert told(event) == about(
        pair, jti, event="session:reused", outcome="alert", reason="reused", actor=None, route=route
    )
    event = only(sql, lambda: auth.refresh(pair["refresh"], **FROM), 401)
    assert told(event) == about(
        pair, jti, event="session:refresh_refused", outcome="refused", reason="reused", actor=None,
        route=route,
    )  # fmt: skip


def test_a_logout_by_either_token(auth: Auth, pair: Pair, sql: Sql) -> None:
    expected = {"event": "session:logged_out", "reason": "logged_out", "route": "/api/auth/logout/"}
    event = only(sql, lambda: auth.logout(pair["refresh"], **FROM), 200)
    assert told(event) == about(pair, claims_of(pair["refresh"])["jti"], **expected)
    other = auth.tokens()
    event = only(sql, lambda: auth.logout(access=other["access"], **FROM), 200)
    assert told(event) == about(other, claims_of(other["access"])["jti"], **expected)


def test_log_out_everywhere_leaves_one_event_for_each_session(
    auth: Auth, pair: Pair, sql: Sql
) -> None:
    sids = {pair["session"]["id"], auth.tokens()["session"]["id"]}
    auth.logout_all(pair["access"])
    ended = events(sql, "session:logged_out")
    assert len(ended) == 2
    assert {event.sid for event in ended} == sids
    assert {event.route for event in ended} == {"/api/auth/logout-all/"}


def test_a_session_ended_from_the_list(auth: Auth, pair: Pair, sql: Sql) -> None:
    path = f"/api/auth/sessions/{pair['session']['id']}/"
    headers = {"Authorization": f"Bearer {pair['access']}", "X-Request-ID": REQUEST_ID}
    options = FROM | {"headers": headers}
    event = only(sql, lambda: auth.client.delete(path, **options), 200)
    assert event.route == "/api/auth/sessions/<sid:sid>/"
    assert (event.event, event.sid) == ("session:logged_out", pair["session"]["id"])


def test_disabling_a_user_leaves_its_event_and_the_session_s(
    auth: Auth, pair: Pair, sql: Sql
) -> None:
    before = len(events(sql))
    with auth.app.app_context():
        disable_user(db.session(), pair["user"]["id"], now=clock.now(), actor="cli")
    disabled, revoked = events(sql)[before:]
    assert (disabled.event, disabled.user_id) == ("user:disabled", pair["user"]["id"])
    assert (revoked.event, revoked.reason) == ("session:revoked", "user_disabled")
    assert {disabled.actor, revoked.actor} == {"cli"}
    assert (disabled.request_id, disabled.address) == (None, None)
    assert sql.get_one(User, pair["user"]["id"]).disabled_at is not None


def test_an_event_that_cannot_be_written_takes_what_it_tells_about_with_it(
    auth: Auth, pair: Pair, sql: Sql
) -> None:
    sql.execute(text("ALTER TABLE audit_events RENAME TO audit_events_away"))
    sql.commit()
    for response in (auth.refresh(pair["refresh"]), auth.login(), auth.logout(pair["refresh"])):
        assert response.status_code in (500, 503)
        assert "audit" not in response.text
    sql.execute(text("ALTER TABLE audit_events_away RENAME TO audit_events"))
    sql.commit()
    again = auth.refresh(pair["refresh"])
    assert (again.status_code, again.get_json()["reissued"]) == (200, False)


def test_every_name_fits_its_column_and_is_written_once() -> None:
    assert all(len(event) <= 40 for event in Event)
    assert len({str(event) for event in Event}) == len(Event)
