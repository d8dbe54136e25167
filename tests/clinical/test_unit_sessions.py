"""A charge nurse sees and ends the sessions at her unit's workstations."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from tests.auth.helpers import SQLITE, events
from tests.auth_helper import PASSWORD, Auth
from tests.conftest import Travel
from tests.shifts.helpers import HOUR, Roster, give_shift, unit_id

pytestmark = SQLITE


@pytest.fixture
def charge(app: Flask, auth: Auth) -> Roster:
    account = auth.create_user("charge@ward.example")
    give_shift(app, account.id, in_charge=True)
    return Roster(auth, auth.tokens(account.email, device_name="desk")["access"])


@pytest.fixture
def ward(app: Flask, auth: Auth, charge: Roster) -> dict[str, dict[str, Any]]:
    """Logins: a nurse on shift here, one from here who works elsewhere, a doctor from here."""
    here = auth.create_user("here@ward.example", unit="Ward 7")
    give_shift(app, here.id)
    away = auth.create_user("away@ward.example", unit="ICU")
    give_shift(app, away.id, unit="Ward 7")
    auth.create_user("doctor@ward.example", "doctor", unit="ICU")
    auth.create_user("stranger@ward.example", "doctor", unit="Ward 7")
    return {
        name: auth.tokens(f"{name}@ward.example", device_name=f"{name}-ws")
        for name in ("here", "away", "doctor", "stranger")
    }


def alive(auth: Auth, ward: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, pair in ward.items() if auth.me(pair["access"]).status_code == 200}


def test_she_sees_who_works_in_the_unit_now(
    app: Flask, charge: Roster, ward: dict[str, dict[str, Any]]
) -> None:
    page = charge.sessions(unit_id(app)).get_json()
    assert [item["device_name"] for item in page["items"]] == ["doctor-ws", "here-ws", "desk"]
    assert [item["current"] for item in page["items"]] == [False, False, True]
    assert page["total"] == 3


def test_she_ends_them_all_but_her_own(
    app: Flask, auth: Auth, charge: Roster, ward: dict[str, dict[str, Any]], sql: Sql
) -> None:
    answer = charge.end_sessions(unit_id(app))
    assert answer.get_json() == {"message": "Sessions ended", "sessions_ended": 2}
    assert alive(auth, ward) == {"away", "stranger"}
    assert charge.sessions(unit_id(app)).get_json()["total"] == 1
    ended = events(sql, Event.SESSION_REVOKED)
    assert {event.sid for event in ended} == {
        ward[name]["session"]["id"] for name in ("here", "doctor")
    }
    assert all(event.detail and event.detail["why"] == "Left open" for event in ended)


def test_to_end_them_all_takes_the_password_when_the_login_is_old(
    app: Flask,
    auth: Auth,
    charge: Roster,
    ward: dict[str, dict[str, Any]],
    sql: Sql,
    travel: Travel,
) -> None:
    unit = unit_id(app)
    travel(301)
    refused = charge.end_sessions(unit)
    assert (refused.status_code, refused.get_json()["code"]) == (
        401, "insufficient_user_authentication")  # fmt: skip
    assert charge.end_sessions(unit, password="not the password").status_code == 401
    assert alive(auth, ward) == set(ward)
    [event] = events(sql, Event.UNIT_SESSIONS_REFUSED)
    assert event.reason == "credential_not_fresh"
    assert charge.end_sessions(unit, device_name="here-ws").get_json()["sessions_ended"] == 1
    assert charge.end_sessions(unit, password=PASSWORD).get_json()["sessions_ended"] == 1


def test_she_ends_one_workstations_or_one_session(
    app: Flask, auth: Auth, charge: Roster, ward: dict[str, dict[str, Any]]
) -> None:
    unit = unit_id(app)
    assert charge.end_sessions(unit, device_name="here-ws").get_json()["sessions_ended"] == 1
    assert alive(auth, ward) == {"away", "doctor", "stranger"}
    for name, ended in (("stranger", 0), ("doctor", 1)):
        sid = ward[name]["session"]["id"]
        assert charge.end_sessions(unit, session=sid).get_json()["sessions_ended"] == ended
    assert alive(auth, ward) == {"away", "stranger"}


def test_no_other_unit_is_hers(
    app: Flask, auth: Auth, charge: Roster, ward: dict[str, dict[str, Any]], sql: Sql
) -> None:
    assert charge.sessions(unit_id(app, "Ward 7")).status_code == 404
    assert charge.end_sessions(unit_id(app, "Ward 7")).status_code == 404
    assert charge.end_sessions(9999).status_code == 404
    assert len(events(sql, Event.UNIT_SESSIONS_REFUSED)) == 3
    assert alive(auth, ward) == set(ward)


def test_a_nurse_who_is_not_in_charge_ends_nobodys(
    app: Flask, auth: Auth, ward: dict[str, dict[str, Any]]
) -> None:
    here = Roster(auth, ward["here"]["access"])
    assert here.sessions(unit_id(app)).status_code == 404
    assert here.end_sessions(unit_id(app)).status_code == 404
    assert alive(auth, ward) == set(ward)


def test_charge_ends_with_the_shift(app: Flask, auth: Auth, travel: Any) -> None:
    account = auth.create_user("charge@ward.example")
    give_shift(app, account.id, -HOUR, HOUR, in_charge=True)
    pair = auth.tokens(account.email)
    assert Roster(auth, pair["access"]).sessions(unit_id(app)).status_code == 200
    travel(3601)
    access = auth.refresh(pair["refresh"]).get_json()["access"]
    assert Roster(auth, access).sessions(unit_id(app)).status_code == 404


@pytest.mark.parametrize("fault", [{"session": "x"}, {"reason": ""}, {"user_id": 1}], ids=str)
def test_what_it_cannot_read_it_refuses(app: Flask, charge: Roster, fault: dict[str, Any]) -> None:
    assert charge.end_sessions(unit_id(app), **fault).status_code == 422
