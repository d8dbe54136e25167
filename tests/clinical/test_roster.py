"""The roster's API: who may see and change what, and what every change must bring."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from tests.auth.helpers import SQLITE, events
from tests.auth_helper import Account, Auth
from tests.shifts.helpers import HOUR, MINUTE, Roster, admin_roster, at, give_shift, moment, unit_id

pytestmark = SQLITE


@pytest.fixture
def nurse(auth: Auth) -> Account:
    return auth.create_user()


@pytest.fixture
def admin(auth: Auth) -> Roster:
    return admin_roster(auth)


@pytest.fixture
def charge(app: Flask, auth: Auth) -> Roster:
    """The roster as the charge nurse of the ICU sees it."""
    account = auth.create_user("charge@ward.example")
    give_shift(app, account.id, in_charge=True)
    return Roster(auth, auth.tokens(account.email)["access"])


def draft(app: Flask, user_id: int, unit: str = "ICU", **members: Any) -> dict[str, Any]:
    times = {"starts_at": at(2 * HOUR), "ends_at": at(10 * HOUR)}
    return {"user_id": user_id, "unit_id": unit_id(app, unit)} | times | members


def test_an_admin_creates_reads_changes_and_cancels_a_shift(
    app: Flask, admin: Roster, nurse: Account, sql: Sql
) -> None:
    created = admin.create(**draft(app, nurse.id))
    assert created.status_code == 201, created.text
    shift = created.get_json()
    assert shift["user"] == {"id": nurse.id, "name": "Nurse"}
    assert shift["unit"]["name"] == "ICU"
    assert (shift["status"], shift["in_charge"], shift["version"]) == ("active", False, 1)
    assert created.headers["ETag"] == '"1"'

    read = admin.read(shift["id"])
    assert (read.get_json(), read.headers["ETag"]) == (shift, '"1"')

    changed = admin.change(shift["id"], ends_at=at(11 * HOUR), in_charge=True)
    assert changed.status_code == 200, changed.text
    assert changed.headers["ETag"] == '"2"'
    longer = moment(changed.get_json()["ends_at"]) - moment(shift["ends_at"])
    assert HOUR - MINUTE <= longer <= HOUR + MINUTE

    cancelled = admin.cancel(shift["id"], 2)
    assert cancelled.get_json() | {"status": "cancelled"} == cancelled.get_json()
    assert cancelled.headers["ETag"] == '"3"'
    trail = events(sql, Event.SHIFT_CREATED, Event.SHIFT_CHANGED, Event.SHIFT_CANCELLED)
    assert [event.detail and event.detail["why"] for event in trail] == [
        "Somebody is ill",
        "The ward is full",
        "The ward is empty",
    ]
    assert {event.user_id for event in trail} == {nurse.id}
    assert len({event.actor for event in trail}) == 1
    assert trail[1].detail["before"]["ends_at"] != trail[1].detail["ends_at"]


@pytest.mark.parametrize(
    ("version", "status"), [(None, 428), (2, 412), ("*", 412), ("1", 412), ('W/"1"', 412)]
)
def test_a_change_names_the_version_that_it_changes(
    app: Flask, admin: Roster, nurse: Account, version: int | str | None, status: int
) -> None:
    shift = give_shift(app, nurse.id)
    assert admin.change(shift, version, in_charge=True).status_code == status
    assert admin.cancel(shift, version).status_code == status
    assert admin.read(shift).get_json()["version"] == 1


def test_of_two_changes_of_one_version_the_second_is_stale(
    app: Flask, admin: Roster, nurse: Account
) -> None:
    shift = give_shift(app, nurse.id)
    assert admin.change(shift, 1, in_charge=True).status_code == 200
    assert admin.change(shift, 1, in_charge=False).status_code == 412
    assert admin.read(shift).get_json()["in_charge"] is True


@pytest.mark.parametrize(
    "fault",
    [
        {"reason": ""},
        {"reason": "x"},
        {"user_id": 99},
        {"unit_id": 99},
        {"user_id": "1"},
        {"user_id": True},
        {"in_charge": "true"},
        {"in_charge": 1},
        {"version": 7},
        {"cancelled_at": None},
        {"starts_at": "2026-11-22T07:00:00"},
        {"starts_at": "2026-02-30T07:00:00Z"},
        {"starts_at": 7},
        {"ends_at": "2020-01-01T00:00:00Z"},
        {"ends_at": "2090-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_what_can_be_no_shift_is_refused(
    app: Flask, admin: Roster, nurse: Account, fault: dict[str, Any]
) -> None:
    refused = admin.create(**draft(app, nurse.id), **fault) if "reason" in fault else None
    refused = refused or admin.create(**(draft(app, nurse.id) | fault))
    assert refused.status_code == 422, refused.text
    assert set(refused.get_json()["errors"]) <= {*fault, "ends_at"}
    assert admin.list().get_json()["total"] == 0


def test_a_shift_that_is_over_is_not_entered(app: Flask, admin: Roster, nurse: Account) -> None:
    over = {"starts_at": at(-9 * HOUR), "ends_at": at(-HOUR)}
    assert admin.create(**draft(app, nurse.id, **over)).status_code == 422


@pytest.mark.parametrize("user_type", ["patient", "doctor", "admin"])
def test_only_who_works_shifts_is_given_one(
    app: Flask, auth: Auth, admin: Roster, user_type: str
) -> None:
    other = auth.create_user("other@ward.example", user_type)
    refused = admin.create(**draft(app, other.id))
    assert refused.get_json()["errors"] == admin.create(**draft(app, 999)).get_json()["errors"]


def test_the_same_shift_twice_is_a_conflict(app: Flask, admin: Roster, nurse: Account) -> None:
    same = draft(app, nurse.id)
    assert admin.create(**same).status_code == 201
    assert admin.create(**same).status_code == 409
    assert admin.create(**same, in_charge=True).status_code == 409


def test_times_of_any_offset_are_kept_as_moments(app: Flask, admin: Roster, nurse: Account) -> None:
    times = {"starts_at": "2060-03-27T19:00:00+01:00", "ends_at": "2060-03-28T07:00:00.500+02:00"}
    shift = admin.create(**draft(app, nurse.id, **times)).get_json()
    assert shift["starts_at"] == "2060-03-27T18:00:00Z"
    assert shift["ends_at"] == "2060-03-28T05:00:00Z"


def test_a_change_must_change_something(app: Flask, admin: Roster, nurse: Account) -> None:
    assert admin.change(give_shift(app, nurse.id)).status_code == 422


@pytest.mark.parametrize("how", ["cancelled", "over"])
def test_what_is_cancelled_or_over_stays(
    app: Flask, admin: Roster, nurse: Account, how: str
) -> None:
    if how == "cancelled":
        shift = give_shift(app, nurse.id, cancelled=True)
    else:
        shift = give_shift(app, nurse.id, -9 * HOUR, -31 * MINUTE)
    assert admin.change(shift, ends_at=at(HOUR)).status_code == 409
    assert admin.cancel(shift).status_code == 409


def test_a_charge_nurse_keeps_her_units_roster(app: Flask, charge: Roster, nurse: Account) -> None:
    created = charge.create(**draft(app, nurse.id))
    assert created.status_code == 201, created.text
    shift = created.get_json()["id"]
    assert charge.change(shift, ends_at=at(9 * HOUR)).status_code == 200
    assert charge.cancel(shift, 2).status_code == 200


def test_a_charge_nurse_changes_no_other_units_roster(
    app: Flask, charge: Roster, nurse: Account, sql: Sql
) -> None:
    elsewhere = give_shift(app, nurse.id, unit="Ward 7")
    here = give_shift(app, nurse.id)
    assert charge.read(elsewhere).status_code == 404
    assert charge.change(elsewhere, in_charge=True).status_code == 404
    assert charge.cancel(elsewhere).status_code == 404
    assert charge.create(**draft(app, nurse.id, "Ward 7")).status_code == 403
    assert charge.change(here, unit_id=unit_id(app, "Ward 7")).status_code == 403
    told = events(sql, Event.SHIFT_REFUSED)
    assert not any("why" in (event.detail or {}) for event in told), "of whom it is, nobody knows"
    reasons = [event.reason for event in told]
    assert reasons == ["not_found"] * 3 + ["not_in_charge"] * 2


def test_nobody_gives_herself_a_shift_or_more_of_it(
    app: Flask, auth: Auth, charge: Roster, nurse: Account
) -> None:
    me = auth.get("/api/auth/me/", headers=charge.headers).get_json()
    mine, own_shift = me["user"]["id"], me["session"]["shift"]["id"]
    assert charge.create(**draft(app, mine)).status_code == 403
    assert charge.read(own_shift).status_code == 200
    assert charge.change(own_shift, ends_at=at(9 * HOUR)).status_code == 403
    assert charge.cancel(own_shift).status_code == 403
    assert charge.change(give_shift(app, nurse.id), user_id=mine).status_code == 403


def test_charge_holds_for_the_shift_alone_and_not_for_its_handoff_time(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    for start, end in ((10 * MINUTE, 8 * HOUR), (-8 * HOUR, -10 * MINUTE)):
        early_or_late = auth.create_user(f"{abs(start.total_seconds()):.0f}@ward.example")
        give_shift(app, early_or_late.id, start, end, in_charge=True)
        roster = Roster(auth, auth.tokens(early_or_late.email)["access"])
        assert roster.create(**draft(app, nurse.id)).status_code == 403


def test_a_nurse_sees_her_own_shifts_and_changes_none(
    app: Flask, auth: Auth, nurse: Account
) -> None:
    other = auth.create_user("other@ward.example")
    mine, hers = give_shift(app, nurse.id), give_shift(app, other.id)
    roster = Roster(auth, auth.tokens()["access"])
    page = roster.list().get_json()
    assert ([shift["id"] for shift in page["items"]], page["total"]) == ([mine], 1)
    assert roster.list(user_id=other.id).get_json()["total"] == 0
    assert roster.read(mine).status_code == 200
    assert roster.read(hers).status_code == roster.read(9999).status_code == 404
    assert roster.change(mine, in_charge=True).status_code == 403
    assert roster.change(hers, in_charge=True).status_code == 404


@pytest.mark.parametrize("user_type", ["doctor", "patient", "researcher", "ops"])
def test_no_other_user_type_has_a_roster(
    app: Flask, auth: Auth, nurse: Account, user_type: str
) -> None:
    shift = give_shift(app, nurse.id)
    auth.create_user("other@ward.example", user_type)
    roster = Roster(auth, auth.tokens("other@ward.example")["access"])
    answers = [
        roster.list(),
        roster.read(shift),
        roster.read(9999),
        roster.create(**draft(app, nurse.id)),
        roster.change(shift, in_charge=True),
        roster.cancel(shift),
        roster.sessions(unit_id(app)),
        roster.end_sessions(unit_id(app)),
    ]
    assert [answer.status_code for answer in answers] == [403] * 8


def test_the_list_is_filtered_paged_and_in_order(
    app: Flask, auth: Auth, admin: Roster, nurse: Account
) -> None:
    other = auth.create_user("other@ward.example")
    late = give_shift(app, nurse.id, 20 * HOUR, 28 * HOUR)
    first = give_shift(app, nurse.id, -9 * HOUR, -HOUR)
    now_here = give_shift(app, other.id)
    now_there = give_shift(app, nurse.id, unit="Ward 7")
    dropped = give_shift(app, nurse.id, cancelled=True)

    def ids(**query: Any) -> list[int]:
        return [shift["id"] for shift in admin.list(**query).get_json()["items"]]

    assert ids() == [first, now_here, now_there, late]
    assert ids(status="cancelled") == [dropped]
    assert ids(unit_id=unit_id(app, "Ward 7")) == [now_there]
    assert ids(user_id=other.id) == [now_here]
    assert ids(ends_after=at(timedelta()), starts_before=at(HOUR)) == [now_here, now_there]
    assert ids(page=2, page_size=3) == [late]
    assert admin.list(page=2, page_size=3).get_json()["total"] == 4
    assert admin.list(status="any").status_code == 422


@pytest.mark.parametrize("path", ["0", "2147483648", "99999999999999999999", "x"])
def test_what_can_be_no_id_is_not_found(auth: Auth, admin: Roster, path: str) -> None:
    for url in (f"/api/shifts/{path}/", f"/api/units/{path}/sessions/"):
        assert auth.get(url, headers=admin.headers).status_code == 404
