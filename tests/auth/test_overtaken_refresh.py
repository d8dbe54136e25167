"""A refresh that was overtaken, between its look at the row and its answer, by another change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session as Sql

from carelink_api.extensions import db
from tests.auth.helpers import claims_of, events, refreshed, refused_with
from tests.auth.test_password import change
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel


@contextmanager
def after_reading(app: Flask, act: Callable[[], Any]) -> Iterator[list[Any]]:
    """Do this once, when a refresh has read its session's row; lend what it returned."""
    done: list[Any] = []

    def then(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not done and statement.startswith("SELECT sessions.") and "JOIN users" in statement:
            done.append(None)
            done.append(act())

    with app.app_context():
        engine = db.engine
    event.listen(engine, "after_cursor_execute", then)
    try:
        yield done
    finally:
        event.remove(engine, "after_cursor_execute", then)


@pytest.mark.parametrize("case", ["rotate", "keep", "reissue", "late reissue"])
def test_one_that_loses_to_a_change_of_the_password_hands_nothing_out_and_ends_nothing(
    case: str, make_app: MakeApp, sql: Sql, travel: Travel
) -> None:
    app = make_app(rotate_refresh_tokens=case != "keep")
    auth = Auth(app)
    auth.create_user()
    shown = newest = auth.tokens()
    if "reissue" in case:
        newest = refreshed(auth.refresh(shown["refresh"]))
        travel(60 if "late" in case else 1)
    with after_reading(app, lambda: change(auth, newest)) as done:
        answer = auth.refresh(shown["refresh"])
    changed = done[1].get_json()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert auth.me(changed["access"]).status_code == 200
    assert refreshed(auth.refresh(changed["refresh"]))["session"] == newest["session"]
    told = [(each.event, each.reason) for each in events(sql) if each.event.startswith("session:")]
    kept_or_not = "session:kept" if case == "keep" else "session:refreshed"
    assert told[-2:] == [("session:refresh_refused", "password_changed"), (kept_or_not, None)]


def test_a_token_that_is_shown_only_after_the_change_is_still_reuse(auth: Auth) -> None:
    auth.create_user()
    first = auth.tokens()
    assert change(auth, first).status_code == 200
    assert refused_with(auth.refresh(first["refresh"]), "reused")


def test_a_reissue_that_was_overtaken_by_a_rotation_is_answered_and_forgiven(auth: Auth) -> None:
    auth.create_user()
    first = auth.tokens()
    second = refreshed(auth.refresh(first["refresh"]))
    with after_reading(auth.app, lambda: auth.refresh(second["refresh"])) as done:
        late = refreshed(auth.refresh(first["refresh"]))
    third = refreshed(done[1])
    assert (claims_of(late["refresh"])["gen"], claims_of(third["refresh"])["gen"]) == (2, 3)
    assert claims_of(refreshed(auth.refresh(late["refresh"]))["refresh"])["gen"] == 3
