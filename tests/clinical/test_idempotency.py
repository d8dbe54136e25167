"""A creating request that is sent again, because its answer was lost, creates once."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, event, func, literal, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.api import rfc3339
from carelink_api.clinical.models import Appointment, CareTeamMember, Patient
from carelink_api.clinical.record_models import Handoff, Note, NoteVersion, Observation
from carelink_api.database import writing
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.idempotency.models import IdempotencyKey
from tests.auth_helper import Account
from tests.clinical.handoffs import SBAR
from tests.clinical.test_handoffs_at_once import at_once
from tests.clinical.trail import accesses
from tests.clinical.ward import HOUR, Ward
from tests.conftest import Travel

KEY = '"0b9e8d5c-7a41-4d57-8c1f-5a2f0f6b0c11"'
HEADER = {"Idempotency-Key": KEY}
NOTE = {"category": "nursing", "text": "Slept well"}
PULSE = {"items": [{"code": "8867-4", "value": 80}]}


def post(ward: Ward, account: Account, path: str, body: Any, key: str = KEY, **more: Any) -> Any:
    return ward.post(account, path, body, headers={"Idempotency-Key": key}, **more)


def count(sql: Sql, kind: Any) -> int:
    sql.rollback()
    return sql.scalar(select(func.count()).select_from(kind)) or 0


def test_every_creating_route_creates_once_and_answers_alike(
    ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    doctor = ward.doctor(patient)
    starts_at = clock.now() + 24 * HOUR
    times = {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(starts_at + HOUR)}
    visit = {"patient_id": patient, "doctor_id": doctor.id, "description": "Check"} | times
    member = {"user_id": nurse.id, "role": "nurse"}
    somebody = {"mrn": "NEW-1", "name": "Bo Li", "birth_date": "1970-02-03"}
    note_id = ward.note(patient, nurse)
    amendment = {"text": "Slept badly", "because": "Asked again"}
    one = f"/api/patients/{patient}/"
    calls: list[tuple[str, Any, Any, dict[str, Any]]] = [
        (f"{one}notes/", NOTE, Note, {}),
        (f"{one}notes/{note_id}/amend/", amendment, NoteVersion, {"version": 1}),
        (f"{one}observations/", PULSE, Observation, {}),
        (f"{one}handoffs/", SBAR, Handoff, {}),
        (f"{one}care-team/", member, CareTeamMember, {}),
        ("/api/appointments/", visit, Appointment, {}),
        ("/api/patients/", somebody | {"unit_id": ward.unit()}, Patient, {}),
    ]
    for path, body, kind, more in calls:
        before = count(sql, kind)
        first = post(ward, nurse, path, body, **more)
        assert first.status_code in (200, 201), (path, first.text)
        trail = accesses(sql)
        again = post(ward, nurse, path, body, **more)
        assert (again.status_code, again.get_json()) == (first.status_code, first.get_json()), path
        assert again.headers.get("ETag") == first.headers.get("ETag")
        assert count(sql, kind) == before + 1, path
        assert accesses(sql) == trail  # one event for both


def test_a_request_without_a_key_creates_each_time(
    ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    for _ in range(2):
        assert ward.post(nurse, f"/api/patients/{patient}/notes/", NOTE).status_code == 201
    assert count(sql, Note) == 2
    assert count(sql, IdempotencyKey) == 0


def test_a_key_stands_for_one_request_of_one_user(
    ward: Ward, patient: int, nurse: Account, ada: Account, sql: Sql
) -> None:
    path, other = (f"/api/patients/{each}/notes/" for each in (patient, ward.patient(
        unit_id=ward.unit(), mrn="OTHER-1")))  # fmt: skip
    assert post(ward, nurse, path, NOTE).status_code == 201
    for there, body in ((path, NOTE | {"text": "Slept badly"}), (other, NOTE)):
        refused = post(ward, nurse, there, body)
        assert (refused.status_code, refused.get_json()["code"]) == (422, "idempotency_key_reused")
    assert [entry[1:3] for entry in accesses(sql)] == [
        ("success", None), *[("refused", "idempotency_key_reused")] * 2,
    ]  # fmt: skip
    # The same text from somebody else, and for another route, is another key.
    assert post(ward, ada, path, NOTE).status_code == 201
    assert post(ward, nurse, f"/api/patients/{patient}/observations/", PULSE).status_code == 201
    assert count(sql, Note) == 2


def test_what_was_refused_is_decided_anew(
    ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    path = f"/api/patients/{patient}/handoffs/"
    ada = ward.nurse(ward.unit(), "ada@ward.example")
    made = ward.handoff(patient, ada)
    assert post(ward, nurse, path, SBAR).get_json()["code"] == "handoff_pending"
    assert ward.post(nurse, f"{path}{made}/accept/").status_code == 200
    assert post(ward, nurse, path, SBAR).status_code == 201
    assert count(sql, Handoff) == 2


def test_who_may_write_there_no_more_is_told_nothing(
    ward: Ward, patient: int, nurse: Account, travel: Travel
) -> None:
    path = f"/api/patients/{patient}/notes/"
    doctor = ward.doctor(email="passing@ward.example")
    ward.care(doctor, patient, ends_at=clock.now() + timedelta(minutes=5))
    assert post(ward, doctor, path, NOTE).status_code == 201
    travel(400)
    assert post(ward, doctor, path, NOTE).status_code == 403


def test_of_equal_requests_at_once_one_creates_and_all_are_answered(
    app: Flask, ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    path = f"/api/patients/{patient}/observations/"
    answers = at_once(app, [(ward.access(nurse), path)] * 6, body=PULSE, **HEADER)
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.text for answer in answers}) == 1
    assert count(sql, Observation) == 1
    assert [entry[:2] for entry in accesses(sql)] == [("observations:recorded", "success")]


def test_of_equal_admissions_at_once_where_no_row_is_locked_one_creates(
    app: Flask, ward: Ward, sql: Sql
) -> None:
    doctor = ward.doctor()
    body = {"mrn": "NEW-2", "name": "Bo Li", "birth_date": None}
    answers = at_once(app, [(ward.access(doctor), "/api/patients/")] * 6, body=body, **HEADER)
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.text for answer in answers}) == 1
    assert count(sql, Patient) == 1
    assert [entry[0] for entry in accesses(sql)] == ["patient:created"]


@pytest.mark.parametrize(
    "key", ["short", '"' + "a" * 65 + '"', '"unclosed-but-long-enough', "ä" * 20]
)
def test_what_is_no_key_is_refused_and_creates_nothing(
    key: str, ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    sent = key.encode().decode("latin-1")
    answer = post(ward, nurse, f"/api/patients/{patient}/notes/", NOTE, key=sent)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_request")
    assert count(sql, Note) == 0


def test_a_key_without_quotes_is_the_same_key(
    ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    for key in (KEY, KEY.strip('"')):
        answer = post(ward, nurse, f"/api/patients/{patient}/notes/", NOTE, key=key)
        assert answer.status_code == 201
    assert count(sql, Note) == 1


def test_keys_are_forgotten_after_a_day(
    app: Flask, client: FlaskClient, ward: Ward, patient: int, nurse: Account, sql: Sql,
    travel: Travel,
) -> None:  # fmt: skip
    assert post(ward, nurse, f"/api/patients/{patient}/notes/", NOTE).status_code == 201
    with app.app_context(), Sql(sql.get_bind()) as own:
        keeper = Housekeeper(app.extensions["carelink"])
        travel(23 * 3600)
        keeper.round(own, clock.now())
        assert count(sql, IdempotencyKey) == 1
        travel(2 * 3600)
        keeper.round(own, clock.now())
    assert count(sql, IdempotencyKey) == 0
    assert count(sql, Note) == 1


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_key_that_is_forgotten_just_as_it_comes_back_is_free_again(
    app: Flask, ward: Ward, patient: int, nurse: Account, sql: Sql
) -> None:
    path = f"/api/patients/{patient}/notes/"
    first = post(ward, nurse, path, NOTE)
    with app.app_context():
        engine = db.engine
    forgotten: list[int] = []

    def forget(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        """Let its day be over between the insert that meets it and the look at what it says."""
        if statement.startswith("INSERT INTO idempotency_keys") and not cursor.rowcount:
            with writing(sql):
                forgotten.extend(sql.scalars(delete(IdempotencyKey).returning(literal(1))))

    event.listen(engine, "after_cursor_execute", forget)
    try:
        second = post(ward, nurse, path, NOTE)
    finally:
        event.remove(engine, "after_cursor_execute", forget)
    assert forgotten == [1]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.get_json()["id"] != second.get_json()["id"]
    assert count(sql, IdempotencyKey) == 1
