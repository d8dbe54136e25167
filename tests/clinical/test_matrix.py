"""Every route, for every user type, equals the table, and so does every swapped id."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts.models import UserType
from carelink_api.audit.models import AuditEvent
from carelink_api.clinical.former_models import AppointmentVersion, PatientVersion
from carelink_api.clinical.models import Appointment, CareTeamMember, Patient
from carelink_api.clinical.record_models import Handoff, Observation
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.matrix import MATRIX, USER_TYPES, Row
from tests.clinical.ward import Ward

pytestmark = SQLITE
ROUTES = sorted(MATRIX, key=lambda route: (route[1], route[0]))
ABOUT_PATIENTS = [route for route in ROUTES if MATRIX[route].stranger]
WITH_IDS = [route for route in ABOUT_PATIENTS if "<id:" in route[1]]
Live = dict[str, Any]


def served(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield method, rule.rule


@pytest.fixture
def live(ward: Ward) -> Live:
    """Ids that are there, of one patient."""
    unit_id, number = ward.unit(), 0
    account, patient_id = ward.self_patient(unit_id=unit_id, mrn="LIVE-1")
    doctor = ward.doctor(email="hers@ward.example")
    nurse = ward.user("rostered@ward.example", "nurse")
    return {
        **ward.records(patient_id, doctor),
        "nurse_id": nurse.id,
        "user_id": ward.user("administered@ward.example", "nurse").id,
        "shift_id": ward.on_shift(nurse, unit_id),
        "number": number,
        "unit_id": unit_id,
        "patient_id": patient_id,
        "mrn": "LIVE-1",
        "account": account,
        "doctor_id": doctor.id,
        "colleague_id": ward.user("colleague@ward.example", "doctor").id,
        "member_id": ward.care(doctor, patient_id),
        "appointment_id": ward.appointment(doctor, patient_id),
        "closed_patient_id": ward.patient("Nobody's", unit_id=ward.unit("Closed")),
        "grant_id": ward.grant(doctor, patient_id),
        "sid": "A" * 22,
        "name": "nothing.txt",
    }


def people(ward: Ward, live: Live) -> dict[str, Account]:
    """Return one of each user type, tied to the patient where the type can be."""
    made = {kind: ward.user(f"{kind}@x.example", kind) for kind in USER_TYPES if kind != "patient"}
    ward.on_shift(made["nurse"], live["unit_id"])
    ward.care(made["doctor"], live["patient_id"])
    return made | {"patient": live["account"]}


def strangers(ward: Ward) -> dict[str, Account]:
    """Return a patient, a nurse and a doctor who have others to look after."""
    elsewhere = ward.unit("ICU")
    patient, record = ward.self_patient("other@home.example", unit_id=elsewhere)
    nurse = ward.nurse(elsewhere, "other-nurse@x.example")
    doctor = ward.doctor(record, email="other-doctor@x.example")
    return {"patient": patient, "nurse": nurse, "doctor": doctor}


def path_of(rule: str, live: Live) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(live[found[1]]), rule)


def call(ward: Ward, account: Account | None, route: tuple[str, str], live: Live) -> int:
    """Send the table's valid request; return the status."""
    (method, rule), row = route, MATRIX[route]
    live["number"] += 1
    options: dict[str, Any] = {"json": row.body(live)} if row.body else {}
    options["query_string"] = row.query(live) if row.query else {}
    if account is None:
        answer = ward.auth.client.open(path_of(rule, live), method=method)
    else:
        answer = ward.call(account, method, path_of(rule, live), version=row.version, **options)
    answer.close()
    status: int = answer.status_code
    return status


def test_the_table_lists_every_route_and_no_other(app: Flask) -> None:
    assert set(served(app)) == set(MATRIX)
    assert sorted(USER_TYPES) == sorted(UserType)


@pytest.mark.parametrize("user_type", [None, *USER_TYPES])
def test_every_route_answers_a_user_type_as_the_table_says(
    ward: Ward, live: Live, user_type: str | None, sql: Sql
) -> None:
    account = people(ward, live)[user_type] if user_type else None
    place = USER_TYPES.index(user_type) if user_type else 0
    for route in ROUTES:
        row: Row = MATRIX[route]
        fresh(ward, live, sql)
        expected = row.tied[place] if user_type else row.anonymous
        assert call(ward, account, route, live) == expected, route


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_who_has_no_tie_gets_of_every_route_what_the_table_says(
    ward: Ward, live: Live, user_type: str
) -> None:
    stranger = strangers(ward)[user_type]
    place = USER_TYPES.index(user_type)
    for route in ABOUT_PATIENTS:
        expected = (MATRIX[route].stranger or ())[place]
        assert call(ward, stranger, route, live) == expected, route


@pytest.mark.parametrize("user_type", USER_TYPES)
def test_every_access_and_every_refusal_leaves_one_event(
    ward: Ward, live: Live, user_type: str, sql: Sql
) -> None:
    account = people(ward, live)[user_type]
    ward.access(account)
    for route in ABOUT_PATIENTS:
        fresh(ward, live, sql)
        before = events(sql)
        call(ward, account, route, live)
        assert events(sql) == before + 1, route


ABOUT_NOBODY = [route for route in MATRIX if route not in ABOUT_PATIENTS
                and route[1].startswith(("/api/shifts/", "/api/units/"))]  # fmt: skip


@pytest.mark.parametrize("user_type", USER_TYPES)
def test_every_refusal_of_roster_and_units_leaves_one_event(
    ward: Ward, live: Live, user_type: str, sql: Sql
) -> None:
    account = people(ward, live)[user_type]
    ward.access(account)
    refused = 0
    for route in ABOUT_NOBODY:
        before = events(sql)
        if call(ward, account, route, live) in (403, 404):
            refused += 1
            assert events(sql) == before + 1, route
    assert refused or user_type == "admin"


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_an_id_swapped_for_another_patients_opens_nothing(
    ward: Ward, live: Live, user_type: str
) -> None:
    """Each id of a path is swapped by itself, the others staying one's own."""
    account = people(ward, live)[user_type]
    theirs = ward.patient("Theirs", unit_id=ward.unit("ICU"))
    doctor = ward.doctor(email="their-doctor@ward.example")
    foreign: dict[str, int] = {
        "patient_id": theirs,
        "member_id": ward.care(doctor, theirs),
        "appointment_id": ward.appointment(doctor, theirs),
        "grant_id": ward.grant(doctor, theirs),
    } | ward.records(theirs, doctor)
    for route in WITH_IDS:
        for name in re.findall(r"<id:(\w+)>", route[1]):
            status = call(ward, account, route, live | {name: foreign[name]})
            assert status in (403, 404), (route, name)
            absent = call(ward, account, route, live | {name: foreign[name] + 1000})
            assert absent in (403, 404), (route, name)


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_an_id_swapped_in_a_body_opens_nothing(ward: Ward, live: Live, user_type: str) -> None:
    account = people(ward, live)[user_type]
    theirs = ward.patient("Theirs", unit_id=ward.unit("ICU"))
    book = ("POST", "/api/appointments/")
    assert call(ward, account, book, live | {"patient_id": theirs}) == 404
    create = ("POST", "/api/patients/")
    elsewhere = call(ward, account, create, live | {"unit_id": ward.unit("ICU")})
    assert elsewhere == (201 if user_type == "doctor" else 403)


def fresh(ward: Ward, live: Live, sql: Sql) -> None:
    """Bring back what a call has changed: the versions and ends of the live rows, the session."""
    sql.rollback()
    sql.execute(delete(PatientVersion))
    sql.execute(delete(AppointmentVersion))
    patient = sql.get_one(Patient, live["patient_id"], populate_existing=True)
    patient.version, patient.discharged_at = 1, None
    for member in sql.scalars(select(CareTeamMember)):
        if member.user_id == live["colleague_id"]:
            sql.delete(member)
        member.version, member.ends_at = 1, None
    for appointment in sql.scalars(select(Appointment)):
        if appointment.id != live["appointment_id"]:
            sql.delete(appointment)
        appointment.version, appointment.status = 1, "booked"
    handoff = sql.get_one(Handoff, live["handoff_id"], populate_existing=True)
    handoff.status, handoff.closed_by_id, handoff.closed_at = "pending", None, None
    observation = sql.get_one(Observation, live["observation_id"], populate_existing=True)
    observation.version, observation.status, observation.marked_at = 1, "final", None
    sql.commit()
    ward.forget_ended_sessions()


def events(sql: Sql) -> int:
    sql.rollback()
    return sql.scalar(select(func.count()).select_from(AuditEvent)) or 0
