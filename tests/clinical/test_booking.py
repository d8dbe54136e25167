"""Booking, moving and cancelling: who may, and never two of one doctor at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.api import rfc3339
from carelink_api.clinical.models import Appointment
from tests.auth_helper import Account
from tests.clinical.test_patients_change import refused
from tests.clinical.test_patients_read import events
from tests.clinical.ward import HOUR, Ward

PATH = "/api/appointments/"
TOMORROW = 24 * HOUR


def at(hours: float, *, length: float = 0.5) -> dict[str, str]:
    """Return times so many hours after this hour tomorrow."""
    hour = clock.now().replace(minute=0, second=0, microsecond=0) + TOMORROW
    starts_at = hour + hours * HOUR
    return {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(starts_at + length * HOUR)}


def wanted(doctor: Account, patient_id: int, hours: float = 0, **members: Any) -> dict[str, Any]:
    ids = {"doctor_id": doctor.id, "patient_id": patient_id, "description": "Check"}
    return ids | at(hours) | members


def one(appointment_id: int) -> str:
    return f"{PATH}{appointment_id}/"


def test_a_patient_books_moves_and_cancels_for_herself(ward: Ward, sql: Sql) -> None:
    doctor, (account, own) = ward.doctor(), ward.self_patient()
    answer = ward.post(account, PATH, wanted(doctor, own))
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    made = answer.get_json()
    assert (made["patient"]["id"], made["doctor"]["id"]) == (own, doctor.id)
    moved = ward.patch(account, one(made["id"]), at(3), version=1)
    assert moved.get_json()["starts_at"] == at(3)["starts_at"]
    cancelled = ward.post(account, f"{one(made['id'])}cancel/", version=2)
    assert cancelled.get_json()["status"] == "cancelled"
    again = ward.patch(account, one(made["id"]), at(4), version=3)
    assert refused(again, 409, "not_booked")
    for name in ("booked", "moved", "cancelled"):
        (event, about), *rest = events(sql, f"appointment:{name}")
        assert about == [own]
        assert event.detail is not None
        assert (event.detail["basis"], event.detail["appointment_id"]) == ("self", made["id"])
        assert all(other.outcome == "refused" for other, _ in rest)


def test_nobody_books_for_patients_of_others(ward: Ward) -> None:
    patient, stranger = ward.patient(), ward.doctor()
    other, _ = ward.self_patient()
    for somebody in (stranger, other, ward.user("a@ward.example", "admin")):
        hidden = ward.post(somebody, PATH, wanted(stranger, patient))
        absent = ward.post(somebody, PATH, wanted(stranger, patient + 100))
        assert hidden.status_code == absent.status_code == 404


def test_a_nurse_books_for_her_unit_and_not_in_handoff_time(ward: Ward) -> None:
    unit, doctor = ward.unit(), ward.doctor()
    patient = ward.patient(unit_id=unit)
    leaving = ward.nurse(unit, "l@ward.example", ends_at=clock.now() - HOUR / 6)
    assert refused(ward.post(leaving, PATH, wanted(doctor, patient)), 403, "in_handoff")
    assert ward.post(ward.nurse(unit), PATH, wanted(doctor, patient)).status_code == 201


def test_a_doctor_is_never_double_booked_and_back_to_back_is_none(ward: Ward) -> None:
    doctor, (account, own) = ward.doctor(), ward.self_patient()
    first = ward.post(account, PATH, wanted(doctor, own)).get_json()
    for hours, length, status in (
        (0.25, 0.5, 409),
        (-0.25, 0.5, 409),
        (-1, 3, 409),
        (0.1, 0.1, 409),
        (0.5, 0.5, 201),
        (-0.5, 0.5, 201),
    ):
        body = wanted(doctor, own) | at(hours, length=length)
        assert ward.post(account, PATH, body).status_code == status, (hours, length)
    assert refused(ward.patch(account, one(first["id"]), at(0.4), version=1), 409, "double_booked")
    assert ward.patch(account, one(first["id"]), at(0, length=0.4), version=1).status_code == 200
    ward.post(account, f"{one(first['id'])}cancel/", version=2)
    assert ward.post(account, PATH, wanted(doctor, own)).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [("doctor_id", "other"), ("starts_at", "2020-01-01T00:00:00Z"), ("ends_at", "start"),
     ("ends_at", "2199-01-01T00:00:00Z"), ("starts_at", "2030-01-01T00:00:00"),
     ("starts_at", "2030-02-30T00:00:00Z"), ("status", "fulfilled"), ("description", "")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(ward: Ward, field: str, value: Any) -> None:
    doctor, (account, own) = ward.doctor(), ward.self_patient()
    body = wanted(doctor, own)
    value = {"other": account.id, "start": body["starts_at"]}.get(value, value)
    answer = ward.post(account, PATH, body | {field: value})
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [field]


def test_the_doctor_of_an_old_appointment_sees_it_and_cannot_bring_it_back(ward: Ward) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    old = ward.appointment(doctor, patient, clock.now() - timedelta(days=200))
    assert ward.get(doctor, one(old)).status_code == 200
    assert refused(ward.patch(doctor, one(old), at(0), version=1), 403, "forbidden")
    assert refused(ward.get(doctor, f"/api/patients/{patient}/"), 403, "break_glass_available")


def test_appointments_of_others_look_absent(ward: Ward) -> None:
    unit = ward.unit()
    theirs = ward.appointment(ward.doctor(), ward.patient())
    nurse, (patient, _) = ward.nurse(unit), ward.self_patient()
    for somebody in (nurse, patient, ward.user("d@ward.example", "doctor")):
        for path, act in (
            (one(theirs), "GET"),
            (one(theirs), "PATCH"),
            (f"{one(theirs)}cancel/", "POST"),
        ):
            options: dict[str, Any] = (
                {} if act == "GET" else {"version": 1, "json": {"description": "X"}}
            )
            hidden = ward.call(somebody, act, path, **options)
            absent = ward.call(somebody, act, path.replace(str(theirs), "999"), **options)
            assert hidden.status_code == absent.status_code == 404


def test_the_list_is_filtered_by_patient_doctor_and_status(ward: Ward) -> None:
    doctor, (account, own) = ward.doctor(), ward.self_patient()
    kept = ward.appointment(doctor, own)
    ward.appointment(doctor, own, clock.now() + TOMORROW, status="cancelled")
    for query, found in (({"status": "booked"}, [kept]), ({"patient_id": own + 1}, []),
                         ({"doctor_id": doctor.id, "status": "booked"}, [kept])):  # fmt: skip
        items = ward.get(account, PATH, query_string=query).get_json()["items"]
        assert [item["id"] for item in items] == found


def test_twenty_at_once_book_one_doctor_once(ward: Ward, app: Flask, sql: Sql) -> None:
    doctor, crowd = ward.doctor(), 20
    people = [ward.self_patient(f"p{n}@home.example", mrn=f"P-{n:04}") for n in range(crowd)]
    bodies = [wanted(doctor, own, hours=n % 2 / 4) for n, (_, own) in enumerate(people)]
    for account, _ in people:
        ward.access(account)
    together = Barrier(crowd)

    def book(n: int) -> int:
        caller = Ward(app)
        caller._access = ward._access
        together.wait()
        status: int = caller.post(people[n][0], PATH, bodies[n]).status_code
        return status

    with ThreadPoolExecutor(crowd) as pool:
        statuses = sorted(pool.map(book, range(crowd)))
    assert statuses == [201] + [409] * (crowd - 1)
    assert sql.scalar(select(func.count()).select_from(Appointment)) == 1


def test_two_moves_at_once_into_one_place_leave_one_there(ward: Ward, app: Flask, sql: Sql) -> None:
    doctor, (account, own) = ward.doctor(), ward.self_patient()
    starts: list[datetime] = [clock.now() + hours * HOUR for hours in (1, 2)]
    made = [ward.appointment(doctor, own, start) for start in starts]
    ward.access(account)
    together = Barrier(2)

    def move(id: int) -> int:
        caller = Ward(app)
        caller._access = ward._access
        together.wait()
        status: int = caller.patch(account, one(id), at(0), version=1).status_code
        return status

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(move, made)) == [200, 409]
