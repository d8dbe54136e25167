"""Whom shifts bind logs in around a shift, and is out when its handoff time is over."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.events import Event
from carelink_api.extensions import db
from carelink_api.sessions.accounts import change_unit_profile
from tests.auth.helpers import SQLITE, events, refused_with, statements
from tests.auth_helper import Account, Auth
from tests.conftest import Travel
from tests.sessions.helpers import row_of
from tests.shifts.helpers import HOUR, MINUTE, give_shift, moment, unit_id

SECOND = timedelta(seconds=1)
TWELVE = 12 * HOUR
pytestmark = pytest.mark.settings(session_profiles={"standard": {"absolute_seconds": 12 * 3600}})


@pytest.fixture
def nurse(auth: Auth) -> Account:
    return auth.create_user()


def login_refused(auth: Auth) -> dict[str, Any]:
    response = auth.login()
    assert response.status_code == 403, response.text
    body: dict[str, Any] = response.get_json()
    assert body["code"] == "outside_shift"
    return body


@SQLITE
def test_without_any_roster_nobody_is_bound(auth: Auth, nurse: Account) -> None:
    assert auth.tokens()["session"]["shift"] is None


@SQLITE
def test_a_units_first_shift_binds_its_people_and_who_has_no_unit(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    here = auth.create_user("here@ward.example", unit="ICU")
    elsewhere = auth.create_user("elsewhere@ward.example", unit="Ward 7")
    give_shift(app, auth.create_user("other@ward.example").id, unit="ICU")
    assert login_refused(auth)["next_shift_starts_at"] is None
    assert auth.login(here.email).get_json()["code"] == "outside_shift"
    assert auth.tokens(elsewhere.email)["session"]["shift"] is None
    give_shift(app, elsewhere.id, -9 * HOUR, -8 * HOUR)
    assert auth.login(elsewhere.email).get_json()["code"] == "outside_shift"


@SQLITE
@pytest.mark.parametrize(
    ("home", "shifts", "profile"),
    [
        ("Ward 7", ["ICU"], "high_security"),
        ("ICU", ["Ward 7"], "high_security"),
        ("Ward 7", ["Ward 7"], "standard"),
        (None, ["Ward 7", "ICU"], "high_security"),
    ],
)
def test_the_strictest_profile_of_home_and_shift_units_applies(
    app: Flask, auth: Auth, home: str | None, shifts: list[str], profile: str
) -> None:
    auth.create_user("first@ward.example", unit="ICU", profile="high_security")
    nurse = auth.create_user("away@ward.example", unit=home)
    for place, unit in enumerate(shifts):
        give_shift(app, nurse.id, (8 * place - 1) * HOUR, (8 * place + 7) * HOUR, unit=unit)
    assert auth.tokens(nurse.email)["session"]["profile"] == profile


@SQLITE
def test_a_unit_that_becomes_stricter_ends_the_sessions_of_who_is_on_shift_there(
    app: Flask, auth: Auth
) -> None:
    nurse = auth.create_user("away@ward.example", unit="Ward 7")
    give_shift(app, nurse.id, unit="ICU")
    access = auth.tokens(nurse.email)["access"]
    with app.app_context():
        change_unit_profile(
            db.session(), unit_id(app, "ICU"), "high_security", now=clock.now(), actor="cli"
        )
    assert auth.me(access).get_json()["reason"] == "revoked"


@SQLITE
def test_a_cancelled_roster_binds_too(app: Flask, auth: Auth, nurse: Account) -> None:
    give_shift(app, nurse.id, cancelled=True)
    login_refused(auth)


@SQLITE
@pytest.mark.settings(shift_bound_user_types=[])
def test_nobody_is_bound_where_the_setting_names_nobody(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    give_shift(app, nurse.id, -3 * HOUR, -2 * HOUR)
    assert auth.tokens()["session"]["shift"] is None


@SQLITE
@pytest.mark.parametrize("user_type", ["doctor", "patient", "researcher", "admin", "ops"])
def test_no_other_user_type_is_bound(
    app: Flask, auth: Auth, nurse: Account, user_type: str
) -> None:
    give_shift(app, nurse.id)
    auth.create_user("other@ward.example", user_type)
    assert auth.tokens("other@ward.example")["session"]["shift"] is None


@SQLITE
@pytest.mark.settings(shift_bound_user_types=["doctor"])
def test_the_setting_says_who_is_bound(app: Flask, auth: Auth, nurse: Account) -> None:
    doctor = auth.create_user("doctor@ward.example", "doctor")
    shift = give_shift(app, doctor.id)
    assert auth.tokens("doctor@ward.example")["session"]["shift"]["id"] == shift
    assert auth.tokens()["session"]["shift"] is None


def test_a_login_half_an_hour_before_is_too_early_and_then_it_is_not(
    app: Flask, auth: Auth, nurse: Account, travel: Travel
) -> None:
    give_shift(app, nurse.id, 31 * MINUTE, 8 * HOUR)
    body = login_refused(auth)
    travel(90)
    pair = auth.tokens()
    ends_at = moment(pair["session"]["shift"]["ends_at"])
    assert ends_at - moment(body["next_shift_starts_at"]) == 8 * HOUR - MINUTE
    assert pair["session"]["expires_at"] == pair["session"]["shift"]["ends_at"]


@SQLITE
def test_the_next_shift_is_named_and_not_a_cancelled_one(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    give_shift(app, nurse.id, -9 * HOUR, -HOUR)
    give_shift(app, nurse.id, 2 * HOUR, 3 * HOUR, cancelled=True)
    give_shift(app, nurse.id, 23 * HOUR, 31 * HOUR)
    give_shift(app, nurse.id, 47 * HOUR, 55 * HOUR)
    away = moment(login_refused(auth)["next_shift_starts_at"]) - clock.now()
    assert 23 * HOUR - MINUTE < away <= 23 * HOUR


@SQLITE
def test_the_refusal_is_audited_and_counts_as_no_failure(
    app: Flask, auth: Auth, nurse: Account, sql: Sql
) -> None:
    give_shift(app, nurse.id, 2 * HOUR, 3 * HOUR)
    login_refused(auth)
    (event,) = events(sql, Event.LOGIN_REFUSED)
    assert (event.reason, event.user_id, event.sid) == ("outside_shift", nurse.id, None)


@SQLITE
def test_a_wrong_password_outside_the_shift_learns_nothing(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    give_shift(app, nurse.id, 2 * HOUR, 3 * HOUR)
    refusal = auth.login(password="not the right one at all").get_json()
    assert refusal["code"] == "invalid_credentials"
    assert "next_shift_starts_at" not in refusal


def test_no_token_outlives_shift_and_handoff(
    app: Flask, auth: Auth, nurse: Account, travel: Travel, sql: Sql
) -> None:
    give_shift(app, nurse.id, -HOUR, 10 * MINUTE)
    pair = auth.tokens()
    end = moment(pair["session"]["expires_at"])
    travel.to(end - 2 * MINUTE)
    pair = auth.refresh(pair["refresh"]).get_json()
    assert moment(pair["access_expires_at"]) == moment(pair["refresh_expires_at"]) == end
    assert auth.me(pair["access"]).get_json()["seconds_left"]["shift"] <= 120
    travel.to(end + SECOND)
    assert refused_with(auth.refresh(pair["refresh"]), "shift_ended")
    travel.to(end + 11 * SECOND)  # the leeway for clocks is over, too
    assert auth.me(pair["access"]).status_code == 401
    login_refused(auth)


def test_me_counts_down_to_handoff_time_and_to_its_end(
    app: Flask, auth: Auth, nurse: Account, travel: Travel
) -> None:
    give_shift(app, nurse.id, -HOUR, 10 * MINUTE)
    access = auth.tokens()["access"]
    left = auth.me(access).get_json()["seconds_left"]
    assert 590 <= left["handoff"] <= 600
    assert left["shift"] - left["handoff"] == 1800
    travel(610)
    left = auth.me(access).get_json()["seconds_left"]
    assert left["handoff"] == 0
    assert 1780 <= left["shift"] <= 1790


def test_who_came_early_for_twelve_hours_logs_in_again_once_without_a_gap(
    app: Flask, auth: Auth, nurse: Account, travel: Travel
) -> None:
    give_shift(app, nurse.id, 29 * MINUTE, TWELVE + 29 * MINUTE)
    first = auth.tokens()
    end = moment(first["session"]["expires_at"])
    assert end < moment(first["session"]["shift"]["ends_at"]), "the absolute timeout comes first"
    travel.to(end - 2 * MINUTE)
    first = auth.refresh(first["refresh"]).get_json()
    second = auth.tokens()
    assert auth.me(first["access"]).status_code == auth.me(second["access"]).status_code == 200
    assert second["session"]["expires_at"] == second["session"]["shift"]["ends_at"]
    auth.logout(first["refresh"])
    travel.to(end + MINUTE)
    assert auth.refresh(second["refresh"]).status_code == 200
    assert second["session"]["expires_at"] == first["session"]["shift"]["ends_at"]


@SQLITE
@pytest.mark.parametrize("gap", [-2 * HOUR, timedelta(), HOUR])
def test_shifts_that_reach_each_other_are_one_session(
    app: Flask, auth: Auth, nurse: Account, gap: timedelta
) -> None:
    give_shift(app, nurse.id, -HOUR, 3 * HOUR)
    following = give_shift(app, nurse.id, 3 * HOUR + gap, 9 * HOUR, unit="Ward 7")
    session = auth.tokens()["session"]
    assert session["shift"]["id"] == following
    assert moment(session["expires_at"]) - moment(session["started_at"]) > 9 * HOUR


@SQLITE
def test_a_login_by_shift_asks_for_the_shifts_once(app: Flask, auth: Auth) -> None:
    nurse = auth.create_user("here@ward.example", unit="ICU")
    auth.tokens(nurse.email)
    with statements() as without:
        auth.tokens(nurse.email)
    give_shift(app, nurse.id)
    with statements() as seen:
        auth.tokens(nurse.email)
    assert len(seen) == len(without) - 1, "no look whether there is a roster at all"


@SQLITE
def test_me_reads_the_row_each_time_since_a_roster_moves_the_end(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    give_shift(app, nurse.id)
    access = auth.tokens()["access"]
    auth.me(access)
    with statements() as seen:
        auth.me(access)
    assert len(seen) == 1


def test_the_housekeeper_finds_the_shift_over(
    app: Flask, auth: Auth, nurse: Account, sql: Sql, travel: Travel
) -> None:
    give_shift(app, nurse.id, -HOUR, MINUTE)
    sid = auth.tokens()["session"]["id"]
    travel(32 * 60)
    result = app.test_cli_runner().invoke(args=["housekeep", "--once"])
    assert result.exit_code == 0, result.output
    assert row_of(sql, sid).end_reason == "shift_ended"
