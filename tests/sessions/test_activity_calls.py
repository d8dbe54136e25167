"""Which calls are the user's activity, and which only leave a receipt."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import Travel
from tests.sessions.helpers import parts, row_of


def test_a_call_of_the_user_is_activity(auth: Auth, sql: Sql, travel: Travel) -> None:
    answer = signed_in(auth)
    travel(30)
    assert auth.get("/api/auth/sessions/", answer["access"]).status_code == 200
    before, row = flushed(auth, sql, answer["session"]["id"])
    assert row.used_generation == 1
    assert row.last_active_at - before.last_active_at >= timedelta(seconds=30)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/api/auth/me/", {}), ("/api/auth/sessions/", {"X-CareLink-Background": "1"})],
)
def test_polling_and_background_calls_leave_only_the_receipt(
    auth: Auth, sql: Sql, travel: Travel, path: str, headers: dict[str, str]
) -> None:
    answer = signed_in(auth)
    travel(30)
    assert auth.get(path, answer["access"], headers=headers).status_code == 200
    before, row = flushed(auth, sql, answer["session"]["id"])
    assert row.used_generation == 1
    assert row.last_active_at == before.last_active_at


def test_a_refresh_is_neither_activity_nor_use(auth: Auth, sql: Sql, travel: Travel) -> None:
    answer = signed_in(auth)
    travel(30)
    assert auth.refresh(answer["refresh"]).status_code == 200
    before, row = flushed(auth, sql, answer["session"]["id"])
    assert (row.generation, row.used_generation) == (2, 0)
    assert row.last_active_at == before.last_active_at


def test_a_refused_call_leaves_no_trace(auth: Auth, sql: Sql, travel: Travel) -> None:
    answer = signed_in(auth)
    assert auth.logout(refresh=answer["refresh"]).status_code == 200
    travel(30)
    assert auth.get("/api/auth/sessions/", answer["access"]).status_code == 401
    before, row = flushed(auth, sql, answer["session"]["id"])
    assert (row.used_generation, row.last_active_at) == (0, before.last_active_at)


def signed_in(auth: Auth) -> dict[str, Any]:
    auth.create_user()
    return auth.tokens()


def flushed(auth: Auth, sql: Sql, sid: str) -> tuple[Session, Session]:
    """Return the row before and after the worker's notes are written."""
    before = row_of(sql, sid)
    activity = parts(auth.app).activity
    assert activity.flush(clock.wall(), everything=True)
    activity._engine.dispose()
    return before, row_of(sql, sid)
