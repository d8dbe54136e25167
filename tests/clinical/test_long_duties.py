"""How long a charge nurse may ask anybody to stay: an hour more at a time, and 16 in a stretch."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from tests.auth.helpers import SQLITE, events
from tests.auth_helper import Account, Auth
from tests.shifts.helpers import HOUR, MINUTE, Roster, admin_roster, at, give_shift, unit_id

pytestmark = SQLITE


@pytest.fixture
def nurse(auth: Auth) -> Account:
    return auth.create_user()


@pytest.fixture
def charge(app: Flask, auth: Auth) -> Roster:
    account = auth.create_user("charge@ward.example")
    give_shift(app, account.id, in_charge=True)
    return Roster(auth, auth.tokens(account.email)["access"])


def fault(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return list(answer.get_json()["errors"])


def test_a_charge_nurse_extends_step_by_step_until_sixteen_hours(
    app: Flask, charge: Roster, nurse: Account, sql: Sql
) -> None:
    id = give_shift(app, nurse.id, -4 * HOUR, 10 * HOUR)
    assert fault(charge.change(id, ends_at=at(11 * HOUR + 2 * MINUTE))) == ["ends_at"]
    assert charge.read(id).get_json()["version"] == 1
    assert charge.change(id, 1, ends_at=at(10.9 * HOUR)).status_code == 200
    assert charge.change(id, 2, ends_at=at(11.8 * HOUR)).status_code == 200
    assert fault(charge.change(id, 3, ends_at=at(12.5 * HOUR))) == ["ends_at"]
    assert charge.change(id, 3, ends_at=at(9 * HOUR)).status_code == 200
    assert {event.outcome for event in events(sql, Event.SHIFT_CHANGED)} == {"success"}


def test_neither_a_chain_nor_a_colleagues_shift_makes_it_longer(
    app: Flask, auth: Auth, charge: Roster, nurse: Account
) -> None:
    give_shift(app, nurse.id, -2 * HOUR, 6 * HOUR)
    icu, next_ = unit_id(app), {"starts_at": at(6 * HOUR), "ends_at": at(15 * HOUR)}
    assert fault(charge.create(user_id=nurse.id, unit_id=icu, **next_)) == ["ends_at"]
    other = auth.create_user("other@ward.example")
    theirs = charge.create(user_id=other.id, unit_id=icu, **next_)
    assert theirs.status_code == 201
    assert fault(charge.change(theirs.get_json()["id"], user_id=nurse.id)) == ["ends_at"]
    shorter = next_ | {"ends_at": at(13.9 * HOUR)}
    assert charge.create(user_id=nurse.id, unit_id=icu, **shorter).status_code == 201


def test_an_administrator_may_and_leaves_an_alert(
    app: Flask, auth: Auth, nurse: Account, sql: Sql
) -> None:
    admin = admin_roster(auth)
    id = give_shift(app, nurse.id, -4 * HOUR, 8 * HOUR)
    assert admin.change(id, ends_at=at(20 * HOUR - MINUTE)).status_code == 200
    [event] = events(sql, Event.SHIFT_CHANGED)
    assert event.outcome == "alert"
    assert event.detail is not None
    assert event.detail["on_duty_hours"] == 24.0


def test_one_that_is_too_long_is_no_leave_for_another(
    app: Flask, auth: Auth, charge: Roster, nurse: Account, sql: Sql
) -> None:
    give_shift(app, nurse.id, -4 * HOUR, 16 * HOUR)
    another = {"user_id": nurse.id, "unit_id": unit_id(app),
               "starts_at": at(30 * HOUR), "ends_at": at(48 * HOUR)}  # fmt: skip
    assert fault(charge.create(**another)) == ["ends_at"]
    assert admin_roster(auth).create(**another).status_code == 201
    [event] = events(sql, Event.SHIFT_CREATED)
    assert (event.outcome, (event.detail or {})["on_duty_hours"]) == ("alert", 18.0)


def test_a_duty_that_is_too_long_already_may_be_changed_otherwise_and_shortened(
    app: Flask, charge: Roster, nurse: Account
) -> None:
    id = give_shift(app, nurse.id, -4 * HOUR, 18 * HOUR)
    assert charge.change(id, in_charge=True).status_code == 200
    assert charge.change(id, 2, ends_at=at(16 * HOUR)).status_code == 200
