"""Nobody lies in a unit without a nurse who answers for them, or a stated reason."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.clinical.record_models import PatientOwner
from tests.auth_helper import Account
from tests.clinical.handoffs import accept, given
from tests.clinical.test_handoffs_at_once import at_once
from tests.clinical.trail import accesses, latest_detail
from tests.clinical.ward import HOUR, Ward

PATH = "/api/patients/"


@pytest.fixture
def doctor(ward: Ward) -> Account:
    return ward.doctor()


def admit(ward: Ward, account: Account, unit_id: int, mrn: str = "KH-1") -> int:
    body = {"mrn": mrn, "name": "Ada Byron", "birth_date": None, "unit_id": unit_id}
    answer = ward.post(account, PATH, body)
    assert answer.status_code == 201, answer.text
    made: int = answer.get_json()["id"]
    return made


def owner(ward: Ward, account: Account, patient_id: int) -> tuple[int | None, str | None]:
    """Return who answers for a patient, or why nobody does."""
    body: Any = ward.get(account, f"{PATH}{patient_id}/owner/").get_json()
    assert (body["owner"] is None) == (body["since"] is None) == (body["reason"] is not None)
    return body["owner"] and body["owner"]["id"], body["reason"]


def test_the_nurse_who_admits_answers_for_the_patient_until_she_hands_over(
    ward: Ward, ada: Account, bea: Account, sql: Sql
) -> None:
    patient = admit(ward, ada, ward.unit())
    assert latest_detail(sql)["owner"] == ada.id
    assert owner(ward, bea, patient) == (ada.id, None)
    assert accept(ward, bea, patient, given(ward, ada, patient)).status_code == 200
    assert owner(ward, ada, patient) == (bea.id, None)


def test_whom_a_doctor_admits_the_charge_nurse_answers_for(
    ward: Ward, doctor: Account, ada: Account
) -> None:
    leading = ward.nurse(ward.unit(), "leading@ward.example", in_charge=True)
    assert owner(ward, doctor, admit(ward, doctor, ward.unit())) == (leading.id, None)


def test_without_a_charge_nurse_it_is_who_stays_longest(
    ward: Ward, doctor: Account, ada: Account
) -> None:
    now = clock.now()
    late = ward.nurse(ward.unit(), "late@ward.example", ends_at=now + 9 * HOUR)
    ward.nurse(ward.unit(), "gone@ward.example", ends_at=now - HOUR / 12, in_charge=True)
    ward.nurse(ward.unit(), "cancelled@ward.example", cancelled_at=now, in_charge=True)
    ward.nurse(ward.unit(), "coming@ward.example", starts_at=now + HOUR / 4, in_charge=True)
    disabled = ward.user("disabled@ward.example", "nurse", disabled_at=now)
    ward.on_shift(disabled, ward.unit(), in_charge=True)
    ward.nurse(ward.unit("ICU"), "elsewhere@ward.example", in_charge=True)
    assert owner(ward, doctor, admit(ward, doctor, ward.unit())) == (late.id, None)


def test_where_no_nurse_is_the_reason_is_stated_until_somebody_gives_a_handoff(
    ward: Ward, doctor: Account, sql: Sql
) -> None:
    unit = ward.unit()
    patient = admit(ward, doctor, unit)
    assert latest_detail(sql) == {"no_owner": "nobody_on_shift"}
    assert owner(ward, doctor, patient) == (None, "unassigned")
    nurse = ward.nurse(unit)
    given(ward, nurse, patient)
    assert owner(ward, doctor, patient) == (nurse.id, None)


def test_who_is_in_no_unit_needs_no_owner(ward: Ward, doctor: Account) -> None:
    outpatient = ward.patient()
    ward.care(doctor, outpatient)
    assert owner(ward, doctor, outpatient) == (None, "not_admitted")


def test_a_transfer_gives_the_patient_to_the_new_unit(
    ward: Ward, ada: Account, doctor: Account, sql: Sql
) -> None:
    there = ward.unit("ICU")
    leading = ward.nurse(there, "leading@icu.example", in_charge=True)
    patient = admit(ward, ada, ward.unit())
    ward.care(doctor, patient)
    waiting = given(ward, ada, patient)
    moved = ward.patch(ada, f"{PATH}{patient}/", {"unit_id": there}, version=1)
    assert moved.status_code == 200
    told = latest_detail(sql)
    assert (told["owner_before"], told["owner"]) == (ada.id, leading.id)
    other = ward.nurse(there, "other@icu.example")
    assert owner(ward, other, patient) == (leading.id, None)
    assert accept(ward, other, patient, waiting).status_code == 200
    assert owner(ward, doctor, patient) == (other.id, None)


def test_another_bed_of_the_unit_changes_no_owner(ward: Ward, ada: Account, bea: Account) -> None:
    patient = admit(ward, ada, ward.unit())
    body = {"bed": "7", "unit_id": ward.unit()}
    assert ward.patch(bea, f"{PATH}{patient}/", body, version=1).status_code == 200
    assert owner(ward, bea, patient) == (ada.id, None)


def test_after_a_transfer_to_where_nobody_is_the_owner_stays(
    ward: Ward, ada: Account, doctor: Account
) -> None:
    patient = admit(ward, ada, ward.unit())
    ward.care(doctor, patient)
    empty = ward.unit("Closed at night")
    assert ward.patch(ada, f"{PATH}{patient}/", {"unit_id": empty}, version=1).status_code == 200
    assert owner(ward, doctor, patient) == (ada.id, None)


def test_another_stay_has_another_owner_or_none(ward: Ward, doctor: Account, sql: Sql) -> None:
    first, second = ward.unit(), ward.unit("Closed at night")
    nurse = ward.nurse(first)
    patient = admit(ward, nurse, first)
    ward.care(doctor, patient)
    ward.post(doctor, f"{PATH}{patient}/discharge/", version=1)
    back = ward.post(doctor, f"{PATH}{patient}/admit/", {"unit_id": second}, version=2)
    assert back.status_code == 200
    assert latest_detail(sql)["owner_before"] == nurse.id
    assert owner(ward, doctor, patient) == (None, "unassigned")


def take(ward: Ward, account: Account, patient_id: int) -> Any:
    return ward.post(account, f"{PATH}{patient_id}/owner/")


def test_a_nurse_on_shift_takes_a_patient_whom_nobody_answers_for(
    ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    assert owner(ward, ada, patient) == (None, "unassigned")
    for _ in range(2):  # again changes nothing
        answer = take(ward, ada, patient)
        assert (answer.status_code, answer.get_json()["owner"]["id"]) == (200, ada.id)
    refused = take(ward, bea, patient)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "has_owner")
    assert owner(ward, bea, patient) == (ada.id, None)
    taken = [entry[:3] for entry in accesses(sql) if entry[0] == "owner:taken"]
    assert taken == [("owner:taken", "success", None)] * 2 + [
        ("owner:taken", "refused", "has_owner")
    ]


@pytest.mark.parametrize(("minutes", "code"), [(-60, "has_owner"), (5, "has_owner"), (40, None)])
def test_only_whose_nurse_has_gone_home_without_handing_over_is_taken(
    minutes: int, code: str | None, ward: Ward, patient: int, bea: Account, sql: Sql
) -> None:
    """In handoff time, half an hour, a nurse is still there."""
    ends_at = clock.now() - timedelta(minutes=minutes)
    early = ward.nurse(ward.unit(), "early@ward.example", ends_at=ends_at)
    sql.add(PatientOwner(patient_id=patient, user_id=early.id, since=clock.now()))
    sql.commit()
    answer = take(ward, bea, patient)
    if code:
        assert (answer.status_code, answer.get_json()["code"]) == (409, code)
        assert owner(ward, bea, patient) == (early.id, None)
    else:
        assert answer.get_json()["owner"]["id"] == bea.id
        assert latest_detail(sql)["owner_before"] == early.id


def test_what_the_nurse_who_is_gone_had_given_is_superseded_by_whoever_takes_the_patient(
    ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    ends_at = clock.now() + timedelta(minutes=5)
    early = ward.nurse(ward.unit(), "early@ward.example", ends_at=ends_at)
    assert take(ward, early, patient).status_code == 200
    waits = given(ward, early, patient)
    sql.get_one(User, early.id).disabled_at = clock.now()
    sql.commit()
    assert take(ward, bea, patient).get_json()["owner"]["id"] == bea.id
    assert latest_detail(sql)["superseded_handoff"] == waits
    closed = ward.get(bea, f"{PATH}{patient}/handoffs/{waits}/").get_json()
    assert (closed["status"], closed["closed_by"]["id"]) == ("superseded", bea.id)
    assert closed["closed_at"] is not None
    late = accept(ward, ada, patient, waits)
    assert (late.status_code, late.get_json()["code"]) == (409, "handoff_closed")
    assert owner(ward, ada, patient) == (bea.id, None)
    asked = ward.get(bea, f"{PATH}{patient}/handoffs/?status=superseded").get_json()
    assert [each["id"] for each in asked["items"]] == [waits]
    assert accept(ward, ada, patient, given(ward, bea, patient)).status_code == 200


def test_taking_again_what_one_has_leaves_ones_own_handoff_as_it_is(
    ward: Ward, patient: int, ada: Account, bea: Account
) -> None:
    assert take(ward, ada, patient).status_code == 200
    waits = given(ward, ada, patient)
    assert take(ward, ada, patient).status_code == 200
    assert accept(ward, bea, patient, waits).status_code == 200


def test_whoever_may_not_log_in_any_more_answers_for_nobody(
    ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    assert take(ward, ada, patient).status_code == 200
    sql.get_one(User, ada.id).disabled_at = clock.now()
    sql.commit()
    assert take(ward, bea, patient).get_json()["owner"]["id"] == bea.id


def test_nobody_is_taken_from_elsewhere_after_the_shift_or_after_the_discharge(
    ward: Ward, patient: int, doctor: Account
) -> None:
    now, unit = clock.now(), ward.unit()
    late = ward.nurse(unit, "late@ward.example", ends_at=now - HOUR / 12)
    assert take(ward, late, patient).get_json()["code"] == "in_handoff"
    assert take(ward, ward.nurse(ward.unit("ICU"), "icu@ward.example"), patient).status_code == 404
    ward.care(doctor, patient)
    assert take(ward, doctor, patient).status_code == 403
    left = ward.patient(unit_id=unit, mrn="LEFT-1", discharged_at=now)
    nurse = ward.nurse(unit, "here@ward.example")
    assert take(ward, nurse, left).get_json()["code"] == "not_admitted"


def test_of_several_who_take_at_once_one_answers(
    app: Flask, ward: Ward, patient: int, sql: Sql
) -> None:
    nurses = [ward.nurse(ward.unit(), f"n{n}@ward.example") for n in range(4)]
    answers = at_once(app, [(ward.access(nurse), f"{PATH}{patient}/owner/") for nurse in nurses])
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    winner = next(n for n, answer in zip(nurses, answers, strict=True) if answer.status_code == 200)
    assert sql.get_one(PatientOwner, patient).user_id == winner.id
