"""A password that somebody else knows opens nothing but its own change, at the login itself."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts.models import User
from carelink_api.sessions.models import Session
from tests.auth.helpers import events, outside, refused_with
from tests.auth_helper import EMAIL, PASSWORD, Auth
from tests.clinical.ward import Ward

NEW = "seven umbrellas on the quay"


@pytest.fixture
def temporary(auth: Auth) -> None:
    auth.create_user(must_change_password=True)


@pytest.mark.usefixtures("temporary")
def test_the_right_password_asks_for_a_new_one_and_starts_nothing(auth: Auth, sql: Sql) -> None:
    answer = auth.login()
    assert (answer.status_code, answer.get_json()["code"]) == (403, "password_change_required")
    assert "Set-Cookie" not in answer.headers
    assert sql.scalars(select(Session)).all() == []
    (event,) = events(sql)
    assert (event.event, event.reason) == ("login:refused", "password_change_required")


@pytest.mark.usefixtures("temporary")
def test_a_wrong_password_learns_nothing_of_it(auth: Auth) -> None:
    auth.create_user("other@ward.example")
    wrong = outside(auth.login(password="not the password", new_password=NEW))
    assert wrong == outside(auth.login("other@ward.example", "not the password"))


@pytest.mark.usefixtures("temporary")
def test_with_a_new_one_it_is_changed_and_the_session_starts(auth: Auth, sql: Sql) -> None:
    pair = auth.tokens(new_password=NEW)
    assert auth.me(pair["access"]).status_code == 200
    assert auth.refresh(pair["refresh"]).status_code == 200
    assert auth.login().status_code == 401
    assert auth.login(password=NEW).status_code == 200
    changed, logged_in, *_ = events(sql)
    assert (changed.event, changed.detail) == ("user:password_changed", {"by": "login"})
    assert logged_in.event == "login:succeeded"


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize(
    ("weak", "fault"),
    [
        (PASSWORD, "Is the password that it is to replace."),
        ("violin canal", "Has fewer than 15 characters."),
    ],
)
def test_a_weak_new_one_changes_nothing_and_is_told_why(
    auth: Auth, sql: Sql, weak: str, fault: str
) -> None:
    answer = auth.login(new_password=weak)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"new_password": [fault]}
    assert auth.login().get_json()["code"] == "password_change_required"
    assert events(sql)[0].reason == "weak_password"


def test_who_chooses_to_may_change_it_at_any_login_and_the_other_sessions_end(auth: Auth) -> None:
    auth.create_user()
    tablet = auth.tokens()
    pair = auth.tokens(new_password=NEW)
    assert refused_with(auth.me(tablet["access"]), "revoked")
    assert auth.me(pair["access"]).status_code == 200


def test_outside_the_shift_nothing_is_changed(auth: Auth, sql: Sql) -> None:
    auth.create_user(must_change_password=True)
    ward = Ward(auth.app)
    other = auth.create_user("other@ward.example")
    ward.on_shift(other, ward.unit())
    assert auth.login(new_password=NEW).get_json()["code"] == "outside_shift"
    sql.rollback()
    assert sql.scalars(select(User.must_change_password).where(User.email == EMAIL)).one()


def test_a_success_after_failures_forgets_them(auth: Auth, sql: Sql) -> None:
    auth.create_user(must_change_password=True, failed_logins=3)
    auth.tokens(new_password=NEW)
    sql.rollback()
    assert sql.scalars(select(User.failed_logins)).one() == 0


def test_me_says_when_the_password_was_changed(auth: Auth, sql: Sql) -> None:
    auth.create_user()
    sql.execute(update(User).values(password_changed_at=User.created_at))
    sql.commit()
    before: dict[str, Any] = auth.me(auth.tokens()["access"]).get_json()
    after = auth.me(auth.tokens(new_password=NEW)["access"]).get_json()
    assert before["password_changed_at"] <= after["password_changed_at"]
