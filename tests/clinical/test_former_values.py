"""What a patient's row or an appointment has said stays readable, and nothing replaces it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.former_models import AppointmentVersion, PatientVersion
from tests.auth_helper import Account
from tests.clinical.test_patients_read import events, one
from tests.clinical.ward import HOUR, Ward


@pytest.fixture
def doctor(ward: Ward, patient: int) -> Account:
    return ward.doctor(patient)


def former(ward: Ward, account: Account, path: str) -> list[dict[str, Any]]:
    answer = ward.get(account, f"{path}versions/")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.get_json()["items"]
    return items


def test_each_change_of_a_patient_keeps_what_it_replaces_and_by_whom(
    ward: Ward, patient: int, doctor: Account, nurse: Account, sql: Sql
) -> None:
    path = one(patient)
    before = ward.get(doctor, path).get_json()
    assert former(ward, doctor, path) == []
    renamed = ward.patch(doctor, path, {"name": "Ada King", "birth_date": "1951-05-02"}, version=1)
    assert renamed.status_code == 200
    assert ward.patch(nurse, path, {"bed": "7"}, version=2).status_code == 200
    assert ward.post(doctor, f"{path}discharge/", version=3).status_code == 200
    again = {"unit_id": ward.unit("ICU"), "bed": "1"}
    assert ward.post(doctor, f"{path}admit/", again, version=4).status_code == 200
    discharged, moved, king, byron = former(ward, doctor, path)
    kept = ("name", "birth_date", "unit", "bed", "admitted_at", "discharged_at")
    assert {name: byron[name] for name in kept} == {name: before[name] for name in kept}
    assert (byron["version"], byron["replaced_by"]["id"]) == (1, doctor.id)
    assert datetime.fromisoformat(byron["replaced_at"]) > clock.now() - timedelta(minutes=1)
    assert (king["name"], king["birth_date"], king["bed"]) == ("Ada King", "1951-05-02", None)
    assert (king["version"], king["replaced_by"]["id"]) == (2, nurse.id)
    assert (moved["bed"], moved["discharged_at"]) == ("7", None)
    assert (discharged["version"], discharged["discharged_at"] is not None) == (4, True)
    assert ward.get(doctor, path).get_json()["unit"]["name"] == "ICU"
    event, about = events(sql, "patient:read")[-2]
    assert event.detail is not None
    assert (event.detail["asked"], about) == (["versions"], [patient])


def test_each_change_of_an_appointment_keeps_what_it_was(
    ward: Ward, patient: int, doctor: Account, sql: Sql
) -> None:
    id = ward.appointment(doctor, patient, clock.now() - HOUR / 4)
    path = f"/api/appointments/{id}/"
    before = ward.get(doctor, path).get_json()
    assert ward.patch(doctor, path, {"description": "Wound"}, version=1).status_code == 200
    assert ward.post(doctor, f"{path}fulfil/", version=2).status_code == 200
    reopened = ward.post(doctor, f"{path}reopen/", {"reason_code": "came_late"}, version=3)
    assert reopened.status_code == 200, reopened.text
    held, wound, check = former(ward, doctor, path)
    kept = ("starts_at", "ends_at", "status", "description")
    assert {name: check[name] for name in kept} == {name: before[name] for name in kept}
    assert (wound["description"], wound["status"], held["status"]) == (
        "Wound",
        "booked",
        "fulfilled",
    )
    assert {each["replaced_by"]["id"] for each in (held, wound, check)} == {doctor.id}
    event, about = events(sql, "appointment:read")[-1]
    assert event.detail is not None
    assert (event.detail["asked"], about) == (["versions"], [patient])


def test_what_is_refused_or_stale_keeps_nothing(
    ward: Ward, patient: int, doctor: Account, sql: Sql
) -> None:
    ward.patient(unit_id=ward.unit(), bed="9", mrn="TAKES-BED-9")
    assert ward.patch(doctor, one(patient), {"name": "Other"}, version=7).status_code == 412
    assert ward.patch(doctor, one(patient), {"bed": "9"}, version=1).status_code == 409
    id = ward.appointment(doctor, patient)
    assert ward.post(doctor, f"/api/appointments/{id}/fulfil/", version=1).status_code == 409
    assert sql.scalars(select(PatientVersion)).all() == []
    assert sql.scalars(select(AppointmentVersion)).all() == []


def test_who_may_not_read_the_record_reads_no_former_value(
    ward: Ward, patient: int, doctor: Account
) -> None:
    id = ward.appointment(doctor, patient)
    assert ward.patch(doctor, one(patient), {"name": "Other"}, version=1).status_code == 200
    stranger = ward.doctor(email="stranger@ward.example")
    refused = ward.get(stranger, f"{one(patient)}versions/")
    assert refused.get_json()["code"] == "break_glass_available"
    assert ward.get(stranger, f"/api/appointments/{id}/versions/").status_code == 404
    admin = ward.user("admin@house.example", "admin")
    assert ward.get(admin, f"{one(patient)}versions/").status_code == 404


def test_the_patient_reads_what_the_own_record_has_said(ward: Ward, doctor: Account) -> None:
    account, own = ward.self_patient(unit_id=ward.unit())
    ward.care(doctor, own)
    assert ward.patch(doctor, one(own), {"name": "Corrected"}, version=1).status_code == 200
    [said] = former(ward, account, one(own))
    assert said["name"] == "Ada Byron"
    assert said["replaced_by"] == {"id": doctor.id, "name": "Doctor"}
