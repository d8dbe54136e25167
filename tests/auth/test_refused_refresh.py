"""Refreshing a session that is over: refused with its reason; and while a store is down."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.sessions.models import Session
from tests.auth.helpers import events, refreshed, refused_with, take_notes
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel

EndIt = Callable[[Auth, Sql, dict[str, Any]], None]


def _disabled(_auth: Auth, sql: Sql, _pair: dict[str, Any]) -> None:
    sql.execute(update(User).values(disabled_at=clock.now()))


def _shift_over(_auth: Auth, sql: Sql, _pair: dict[str, Any]) -> None:
    sql.execute(update(Session).values(shift_id=1, shift_ends_at=clock.now()))


def _cut_short(_auth: Auth, sql: Sql, _pair: dict[str, Any]) -> None:
    sql.execute(update(Session).values(refuse_from=clock.now()))


def _lost_row(_auth: Auth, sql: Sql, _pair: dict[str, Any]) -> None:
    sql.query(Session).delete()


def _logged_out(auth: Auth, _sql: Sql, pair: dict[str, Any]) -> None:
    auth.logout(pair["refresh"])


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (_disabled, "user_disabled"),
        (_shift_over, "shift_ended"),
        (_cut_short, "revoked"),
        (_lost_row, "revoked"),
        (_logged_out, "revoked"),
    ],
)
def test_a_session_that_is_over_says_why(
    end: EndIt, reason: str, auth: Auth, first: dict[str, Any], sql: Sql
) -> None:
    end(auth, sql, first)
    sql.commit()
    assert refused_with(auth.refresh(first["refresh"]), reason)
    assert refused_with(auth.verify(first["refresh"]), reason)
    assert [event.outcome for event in events(sql, "session:refresh_refused")] == ["refused"]


def test_an_expired_refresh_token_is_expired(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    travel(12 * 3600 + 11)
    assert refused_with(auth.refresh(first["refresh"]), "expired")
    assert refused_with(auth.verify(first["refresh"]), "expired")


def test_within_the_leeway_after_its_end_the_session_has_expired(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    travel(12 * 3600 + 5)
    assert refused_with(auth.refresh(first["refresh"]), "session_expired")


def test_idle_is_logged_off_although_a_tab_keeps_refreshing(auth: Auth, travel: Travel) -> None:
    auth.create_user(unit="ICU", profile="high_security")
    pair = auth.tokens()
    for _ in range(3):
        travel(240)
        pair = refreshed(auth.refresh(pair["refresh"]))
        assert auth.me(pair["access"]).status_code == 200  # polls, and is no activity
        take_notes(auth.app)
    assert pair["access_capped_by"] == "idle"
    assert pair["expires_in"] <= 240
    travel(241)
    assert refused_with(auth.refresh(pair["refresh"]), "idle")
    travel(10)
    assert refused_with(auth.me(pair["access"]), "expired")


def test_activity_of_the_user_moves_the_idle_deadline(auth: Auth, travel: Travel) -> None:
    auth.create_user(unit="ICU", profile="high_security")
    pair = auth.tokens()
    travel(240)
    for background in ("1", "0"):
        headers = {"X-CareLink-Background": background}
        assert auth.get("/api/auth/sessions/", pair["access"], headers=headers).status_code == 200
        take_notes(auth.app)
        pair = refreshed(auth.refresh(pair["refresh"]))
        left = auth.me(pair["access"]).get_json()["seconds_left"]["idle"]
        assert (left > 900) is (background == "0")


def test_a_disabled_user_s_access_token_is_refused_by_the_next_look(
    auth: Auth, first: dict[str, Any], sql: Sql, make_app: MakeApp
) -> None:
    worker = Auth(make_app())
    now = clock.now()
    sql.execute(text("UPDATE change_counter SET value = value + 1"))
    ended = {"ended_at": now, "end_reason": "user_disabled", "refuse_from": now, "change_number": 1}
    sql.execute(update(Session).values(**ended))
    sql.commit()
    assert worker.app.extensions["carelink"].pulse.beat()
    assert refused_with(worker.me(first["access"]), "user_disabled")


def test_while_redis_is_down_refresh_goes_on_by_sql(make_app: MakeApp) -> None:
    auth = Auth(make_app(redis_url="unix:///nonexistent"))
    assert auth.app.extensions["carelink"].pulse.beat()
    auth.create_user()
    pair = auth.tokens()
    for _ in range(3):
        pair = refreshed(auth.refresh(pair["refresh"]))
    assert auth.me(pair["access"]).status_code == 200


def test_while_sql_is_down_nothing_is_decided(auth: Auth, first: dict[str, Any], sql: Sql) -> None:
    sql.execute(text("ALTER TABLE sessions RENAME TO sessions_away"))
    sql.commit()
    answers = [auth.refresh(first["refresh"]), auth.login(), auth.verify(first["refresh"])]
    sql.execute(text("ALTER TABLE sessions_away RENAME TO sessions"))
    sql.commit()
    assert {answer.status_code for answer in answers} <= {500, 503}
    assert refreshed(auth.refresh(first["refresh"]))["reissued"] is False
