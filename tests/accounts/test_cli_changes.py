"""Changing a type, a unit or a profile, as an operator types it."""

import json
from typing import Any

import pytest
from flask.testing import FlaskCliRunner

from tests.auth_helper import EMAIL, Auth


def done(runner: FlaskCliRunner, *words: str) -> Any:
    result = runner.invoke(args=[*words, "--yes", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def access(auth: Auth) -> str:
    auth.create_user(user_type="nurse", unit="Ward 7")
    return str(auth.tokens()["access"])


def test_a_new_type_ends_the_sessions(auth: Auth, runner: FlaskCliRunner, access: str) -> None:
    facts = done(runner, "users", "change", EMAIL, "--user-type", "doctor")

    assert facts["sessions_ended"] == 1
    assert auth.me(access).status_code == 401
    assert auth.login().get_json()["user"]["user_type"] == "doctor"


def test_the_same_type_ends_nothing(auth: Auth, runner: FlaskCliRunner, access: str) -> None:
    facts = done(runner, "users", "change", EMAIL, "--user-type", "nurse")

    assert facts["sessions_ended"] == 0
    assert auth.me(access).status_code == 200


def test_a_stricter_unit_ends_the_sessions(auth: Auth, runner: FlaskCliRunner, access: str) -> None:
    runner.invoke(args=["units", "create", "ICU", "--profile", "high_security"])

    facts = done(runner, "users", "change", EMAIL, "--unit", "ICU")

    assert facts["sessions_ended"] == 1
    assert auth.login().get_json()["session"]["profile"] == "high_security"


def test_leaving_the_unit_ends_nothing_where_no_profile_gets_stricter(
    auth: Auth, runner: FlaskCliRunner, access: str
) -> None:
    assert done(runner, "users", "change", EMAIL, "--no-unit")["sessions_ended"] == 0
    assert auth.login().get_json()["user"]["unit"] is None


def test_a_stricter_profile_of_the_unit_ends_its_sessions(
    auth: Auth, runner: FlaskCliRunner, access: str
) -> None:
    facts = done(runner, "units", "change", "Ward 7", "--profile", "high_security")

    assert facts["sessions_ended"] == 1
    assert auth.me(access).status_code == 401


def test_a_laxer_profile_ends_nothing(auth: Auth, runner: FlaskCliRunner) -> None:
    auth.create_user(unit="ICU", profile="high_security")
    access = auth.tokens()["access"]

    assert done(runner, "units", "change", "ICU", "--no-profile")["sessions_ended"] == 0
    assert auth.me(access).status_code == 200


@pytest.mark.parametrize(
    "words",
    [
        ["users", "change", "nobody@ward.example", "--user-type", "nurse"],
        ["users", "change", EMAIL, "--unit", "Nowhere"],
        ["units", "change", "Nowhere", "--profile", "standard"],
    ],
)
def test_what_does_not_exist_is_said_in_one_sentence(
    auth: Auth, runner: FlaskCliRunner, words: list[str]
) -> None:
    auth.create_user()

    result = runner.invoke(args=[*words, "--yes"])

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
