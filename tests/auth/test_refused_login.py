"""Refused logins: all alike from outside, at one cost, and never a way to lock somebody out."""

from datetime import timedelta
from typing import Any

import argon2
import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.sessions.models import Session
from tests.auth.helpers import events, outside
from tests.auth_helper import EMAIL, PASSWORD, Auth
from tests.conftest import Travel

STRANGER = {"REMOTE_ADDR": "198.51.100.7"}
REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "unknown_user": ({}, {"email": "nobody@ward.example"}),
    "wrong_password": ({}, {"password": "not the password at all"}),
    "wrong_user_type": ({}, {"user_type": "doctor"}),
    "disabled": ({"disabled_at": clock.now()}, {}),
    "blocked": ({"failed_logins": 10, "blocked_until": clock.now() + timedelta(days=1)}, {}),
}


class Counting(argon2.PasswordHasher):
    """The application's argon2, which counts what it computes."""

    count = 0

    def verify(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return super().verify(*args, **kwargs)

    def hash(self, *args: Any, **kwargs: Any) -> str:
        self.count += 1
        return super().hash(*args, **kwargs)


@pytest.fixture
def counting(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(app.extensions["carelink.passwords"], "_argon2", counting)
    return counting


def failures(sql: Sql) -> int:
    sql.rollback()
    return sql.scalars(select(User.failed_logins)).one()


def fail(auth: Auth, times: int) -> None:
    for _ in range(times):
        assert auth.login(password="not the password").status_code == 401


def test_every_refusal_looks_the_same_from_outside(auth: Auth) -> None:
    seen = []
    for number, (columns, body) in enumerate(REFUSALS.values()):
        email = f"user{number}@ward.example"
        auth.create_user(email, **columns)
        seen.append(outside(auth.login(**({"email": email} | body))))
    assert all(answer == seen[0] for answer in seen)
    status, answer, headers = seen[0]
    assert (status, answer["code"]) == (401, "invalid_credentials")
    assert headers["WWW-Authenticate"] == 'Bearer realm="carelink"'


@pytest.mark.parametrize("reason", REFUSALS)
def test_every_refusal_costs_one_password_verification_and_one_event(
    reason: str, auth: Auth, counting: Counting, sql: Sql
) -> None:
    columns, body = REFUSALS[reason]
    auth.create_user(**columns)
    assert auth.login(**({"email": EMAIL} | body)).status_code == 401
    assert counting.count == 1
    (event,) = events(sql)
    assert (event.event, event.outcome, event.reason) == (
        "login:blocked" if reason == "blocked" else "login:refused",
        "refused",
        reason,
    )


def test_a_corrupt_hash_is_a_wrong_password_at_the_same_cost(
    auth: Auth, counting: Counting
) -> None:
    auth.create_user(password_hash="$argon2id$broken")
    assert auth.login().status_code == 401
    assert auth.create_user("b@ward.example", password_hash="") is not None
    assert auth.login("b@ward.example").status_code == 401


def test_failures_in_a_row_count_until_a_success(auth: Auth, sql: Sql) -> None:
    auth.create_user()
    fail(auth, 3)
    assert failures(sql) == 3
    auth.tokens()
    assert failures(sql) == 0


def test_from_the_tenth_failure_on_a_stranger_waits_even_with_the_password(
    auth: Auth, travel: Travel, sql: Sql
) -> None:
    auth.create_user()
    fail(auth, 9)
    assert auth.login().status_code == 200
    fail(auth, 10)
    sql.execute(update(Session).values(address="192.0.2.1"))
    sql.commit()
    assert auth.login().status_code == 401
    assert failures(sql) == 10  # while it waits nothing is counted
    travel(31)
    assert auth.login().status_code == 200
    assert failures(sql) == 0


def test_a_known_address_gets_in_although_a_stranger_keeps_guessing(auth: Auth, sql: Sql) -> None:
    auth.create_user()
    before = auth.tokens()
    fail(auth, 12)
    assert auth.me(before["access"]).status_code == 200
    credentials = {"email": EMAIL, "password": PASSWORD}
    assert auth.post("login", credentials, environ_overrides=STRANGER).status_code == 401
    assert auth.login().status_code == 200


def test_a_known_address_waits_too_once_failures_could_lock_the_account_for_good(
    auth: Auth, sql: Sql, travel: Travel
) -> None:
    auth.create_user()
    auth.tokens()
    sql.execute(update(User).values(failed_logins=29, blocked_until=None))
    sql.commit()
    fail(auth, 1)
    assert auth.login().status_code == 401
    assert failures(sql) == 30  # nor is it counted
    travel(3601)
    assert auth.login().status_code == 200


def test_at_a_hundred_failures_nobody_gets_in_any_more(
    auth: Auth, sql: Sql, travel: Travel
) -> None:
    auth.create_user()
    live = auth.tokens()
    sql.execute(update(User).values(failed_logins=99, blocked_until=None))
    sql.commit()
    fail(auth, 1)
    assert auth.login().status_code == 401
    assert auth.me(live["access"]).status_code == 200
    travel(30 * 24 * 3600)
    assert auth.login().status_code == 401


@pytest.mark.parametrize("user_type", ["root", "Doctor", "", 1, None, ["doctor"]])
def test_a_user_type_that_is_none_is_a_wrong_shape(user_type: Any, auth: Auth) -> None:
    auth.create_user(user_type="doctor")
    assert auth.login(user_type=user_type).status_code == 422


def test_the_right_password_in_another_case_or_with_a_space_is_wrong(auth: Auth) -> None:
    auth.create_user(password="violet harbour before the thaw")
    for typed in ("Violet harbour before the thaw", "violet harbour before the thaw ", "violet"):
        assert auth.login(password=typed).status_code == 401
