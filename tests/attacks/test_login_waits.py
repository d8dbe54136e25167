"""A login that has to wait for the row of its user."""

import threading

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.auth_helper import EMAIL, Auth
from tests.processes import wait_for

pytestmark = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
_WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'store' AND wait_event_type = 'Lock'"
)


@pytest.fixture
def move_to_icu(app: Flask, auth: Auth, store: str) -> psycopg.Connection:
    """An open transaction that has just moved the user from a ward to the ICU."""
    auth.create_user(EMAIL, unit="Ward 3")
    auth.create_user("other@icu.example", unit="ICU", profile="high_security")
    mover = psycopg.connect(store.replace("+psycopg", ""))
    mover.execute(
        "UPDATE users SET unit_id = (SELECT id FROM units WHERE name = 'ICU') WHERE email = %s",
        [EMAIL],
    )
    return mover


def test_a_login_that_waits_for_a_move_gets_the_new_units_profile(
    app: Flask, move_to_icu: psycopg.Connection
) -> None:
    response = _login_while(app, move_to_icu)
    assert response.status_code == 200, response.text
    answer = response.get_json()
    assert answer["user"]["unit"] == "ICU"
    assert answer["session"]["profile"] == "high_security"


def _login_while(app: Flask, mover: psycopg.Connection) -> TestResponse:
    """Start a login, commit what it waits for, and return its answer."""
    answers: list[TestResponse] = []
    login = threading.Thread(target=lambda: answers.append(Auth(app).login(EMAIL)))
    login.start()
    _wait_for_a_waiter(mover)
    mover.commit()
    login.join()
    mover.close()
    return answers[0]


def _wait_for_a_waiter(mover: psycopg.Connection) -> None:
    wait_for(lambda: mover.execute(_WAITS).fetchone() != (0,), "the login to wait")
