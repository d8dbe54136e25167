"""Units, and who is on shift there: what a nurse needs to know to hand over."""

from typing import Any

import pytest

from carelink_api import clock
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.ward import HOUR, Ward

pytestmark = SQLITE


def staff(ward: Ward, account: Account, unit_id: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ward.get(account, f"/api/units/{unit_id}/staff/").get_json()[
        "items"
    ]
    return items


def test_a_doctor_sees_the_units_and_how_many_are_on_shift_there(ward: Ward) -> None:
    icu, empty = ward.unit("ICU", "high_security"), ward.unit("Ward 7")
    ward.nurse(icu)
    ward.nurse(icu, "gone@ward.example", ends_at=clock.now() - HOUR / 12)
    doctor = ward.user("doctor@ward.example", "doctor")
    assert ward.get(doctor, "/api/units/").get_json() == {
        "items": [
            {"id": icu, "name": "ICU", "session_profile": "high_security", "on_shift": 1},
            {"id": empty, "name": "Ward 7", "session_profile": None, "on_shift": 0},
        ],
        "total": 2,
        "page": 1,
        "page_size": 50,
    }


def test_a_nurse_sees_her_colleagues_the_charge_nurse_first(ward: Ward) -> None:
    now, unit = clock.now(), ward.unit()
    ada = ward.nurse(unit, "ada@ward.example")
    zoe = ward.nurse(unit, "zoe@ward.example", in_charge=True)
    late = ward.nurse(unit, "bea@ward.example", ends_at=now - HOUR / 12, in_charge=True)
    assert [
        (each["user"], each["user_type"], each["in_charge"], each["state"])
        for each in staff(ward, ada, unit)
    ] == [
        ({"id": zoe.id, "name": "Zoe"}, "nurse", True, "on_shift"),
        ({"id": ada.id, "name": "Ada"}, "nurse", False, "on_shift"),
        ({"id": late.id, "name": "Bea"}, "nurse", False, "in_handoff"),
    ]


def test_who_has_two_shifts_stands_there_once(ward: Ward) -> None:
    now, unit = clock.now(), ward.unit()
    nurse = ward.nurse(unit)
    ward.on_shift(nurse, unit, starts_at=now - HOUR, ends_at=now + 9 * HOUR, in_charge=True)
    answer = ward.get(nurse, f"/api/units/{unit}/staff/").get_json()
    assert answer["total"] == len(answer["items"]) == 1
    assert answer["items"][0]["in_charge"]
    assert ward.get(nurse, "/api/units/").get_json()["items"][0]["on_shift"] == 1


def test_who_is_not_there_is_not_shown(ward: Ward) -> None:
    now, unit = clock.now(), ward.unit()
    admin = ward.user("admin@ward.example", "admin")
    ward.nurse(ward.unit("ICU"), "elsewhere@ward.example")
    ward.nurse(unit, "coming@ward.example", starts_at=now + HOUR / 4)
    ward.nurse(unit, "cancelled@ward.example", cancelled_at=now)
    ward.nurse(unit, "home@ward.example", ends_at=now - HOUR)
    left = ward.user("left@ward.example", "nurse", disabled_at=now)
    ward.on_shift(left, unit)
    assert staff(ward, admin, unit) == []


def test_a_unit_that_is_none_is_not_found(ward: Ward) -> None:
    doctor = ward.user("doctor@ward.example", "doctor")
    assert ward.get(doctor, "/api/units/4711/staff/").status_code == 404


@pytest.mark.parametrize("user_type", ["patient", "researcher"])
def test_who_does_not_work_here_sees_no_names(ward: Ward, user_type: str) -> None:
    somebody = ward.user("somebody@home.example", user_type)
    assert ward.get(somebody, "/api/units/").status_code == 403
    assert ward.get(somebody, f"/api/units/{ward.unit()}/staff/").status_code == 403
