"""The board, the whole chart and the record by its MRN: what they show, to whom, in one answer."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.models import AuditedPatient, AuditEvent
from tests.auth_helper import Account
from tests.clinical.ward import HOUR, Ward
from tests.conftest import Travel

BOARD = "/api/board/"


def board(ward: Ward, account: Account, **query: Any) -> Any:
    answer = ward.get(account, BOARD, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def chart(ward: Ward, account: Account, patient_id: int, **query: Any) -> Any:
    answer = ward.get(account, f"/api/patients/{patient_id}/chart/", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_the_board_shows_the_latest_of_each_sign_and_what_it_was_before(ward: Ward) -> None:
    unit_id = ward.unit()
    nurse, patient_id = ward.nurse(unit_id), ward.patient(unit_id=unit_id, bed="3")
    now = clock.now()
    for hours, value in ((5, 70), (2, 80), (1, 90)):
        ward.observation(patient_id, nurse, value=value, effective_at=now - hours * HOUR)
    wrong = {"status": "entered-in-error", "marked_at": now, "marked_by_id": nurse.id}
    ward.observation(patient_id, nurse, value=300, effective_at=now, **wrong)
    ward.observation(patient_id, nurse, code="8302-2", effective_at=now - 49 * HOUR)
    [found] = board(ward, nurse)["items"]
    [sign] = found["latest"]
    assert (sign["code"], sign["value"], sign["previous"]) == ("8867-4", 90, 80)
    assert (found["bed"], found["unit"]["name"]) == ("3", "Ward 7")


def test_the_board_shows_only_whom_one_looks_after_by_unit_and_bed(ward: Ward) -> None:
    icu, ward_7 = ward.unit("ICU"), ward.unit()
    second = ward.patient("Second", unit_id=icu, bed="02")
    first = ward.patient("First", unit_id=icu, bed="01")
    ward.patient("Elsewhere", unit_id=ward_7)
    nurse = ward.nurse(icu)
    assert [each["id"] for each in board(ward, nurse)["items"]] == [first, second]
    assert board(ward, nurse, unit_id=ward_7)["total"] == 0
    doctor = ward.doctor(second)
    assert [each["id"] for each in board(ward, doctor)["items"]] == [second]


def test_the_board_shows_who_answers_and_what_waits_to_be_accepted(ward: Ward) -> None:
    unit_id = ward.unit()
    nurse = ward.nurse(unit_id)
    given, kept = (ward.patient(unit_id=unit_id, bed=bed) for bed in "12")
    handoff_id = ward.handoff(given, nurse)
    closed = {"status": "withdrawn", "closed_at": clock.now(), "closed_by_id": nurse.id}
    ward.handoff(kept, nurse, **closed)
    waiting, settled = board(ward, nurse)["items"]
    assert waiting["owner"] == settled["owner"]
    assert waiting["owner"]["id"] == nurse.id
    assert waiting["pending_handoff"]["id"] == handoff_id
    assert waiting["pending_handoff"]["given_by"]["id"] == nurse.id
    assert settled["pending_handoff"] is None


def test_a_board_leaves_one_event_that_names_every_patient(ward: Ward, sql: Sql) -> None:
    unit_id = ward.unit()
    nurse = ward.nurse(unit_id)
    ids = {ward.patient(unit_id=unit_id) for _ in range(3)}
    board(ward, nurse)
    [event] = sql.scalars(select(AuditEvent).where(AuditEvent.event == "board:read"))
    named = select(AuditedPatient.patient_id).where(AuditedPatient.event_id == event.id)
    assert set(sql.scalars(named)) == ids


def test_a_chart_holds_all_that_a_nurse_opens_it_for(ward: Ward) -> None:
    unit_id = ward.unit()
    nurse, patient_id = ward.nurse(unit_id), ward.patient(unit_id=unit_id)
    doctor = ward.doctor(patient_id)
    now = clock.now()
    for hours, value in ((30, 60), (2, 80), (1, 90)):
        ward.observation(patient_id, nurse, value=value, effective_at=now - hours * HOUR)
    ward.observation(patient_id, nurse, code="8310-5", value=37.5, unit="Cel")
    note_id = ward.note(patient_id, nurse)
    handoff_id = ward.handoff(patient_id, nurse)
    found = chart(ward, nurse, patient_id)
    values = {each["code"]: [p["value"] for p in each["points"]] for each in found["trends"]}
    assert values == {"8867-4": [80, 90], "8310-5": [37.5]}
    assert found["patient"]["id"] == patient_id
    assert [note["id"] for note in found["notes"]] == [note_id]
    assert found["owner"]["id"] == nurse.id
    assert found["pending_handoff"]["id"] == handoff_id
    assert [(each["id"], each["role"]) for each in found["care_team"]] == [(doctor.id, "attending")]
    assert (found["basis"], found["break_glass"]) == ("unit", None)
    assert found["may"] == ["write", "open", "book", "hand_over", "take_over"]
    longer = chart(ward, nurse, patient_id, hours=48)["trends"]
    assert [len(each["points"]) for each in longer] == [1, 3]


def test_a_chart_says_what_one_may_do_in_it(ward: Ward, travel: Travel) -> None:
    unit_id = ward.unit()
    account, patient_id = ward.self_patient(unit_id=unit_id)
    nurse, doctor = ward.nurse(unit_id), ward.doctor(patient_id)
    assert chart(ward, account, patient_id)["may"] == ["book", "read_log"]
    assert chart(ward, doctor, patient_id)["may"] == ["write", "open", "book"]
    travel(timedelta(hours=4, minutes=10).total_seconds())
    ward.log_in_anew(nurse)
    found = chart(ward, nurse, patient_id)
    assert (found["basis"], found["may"]) == ("handoff", ["write", "hand_over"])


def test_a_record_is_found_by_its_mrn_and_opened_in_an_emergency(ward: Ward) -> None:
    own = ward.patient(mrn="OWN-1")
    other = ward.patient(mrn="OTHER-1")
    doctor = ward.doctor(own)

    def found(mrn: str) -> Any:
        return ward.post(doctor, "/api/patients/find/", {"mrn": mrn}).get_json()

    assert found("OWN-1") == {"patient_id": own, "break_glass": False}
    assert found("OTHER-1") == {"patient_id": other, "break_glass": True}
    assert found("OTHER-2")["code"] == "not_found"
    because = {"reason_code": "covering", "reason_text": "In for a colleague"}
    grant = ward.post(doctor, "/api/break-glass/", {"patient_id": other} | because)
    assert grant.status_code == 201
    opened = chart(ward, doctor, other)
    assert opened["basis"] == "break_glass"
    assert opened["break_glass"]["id"] == grant.get_json()["id"]
    assert opened["may"] == ["write"]


@pytest.mark.parametrize("user_type", ["researcher", "admin", "ops"])
def test_who_sees_no_patient_finds_none(ward: Ward, user_type: str) -> None:
    ward.patient(mrn="OTHER-1")
    account = ward.user("somebody@x.example", user_type)
    answers = [ward.post(account, "/api/patients/find/", {"mrn": m}) for m in ("OTHER-1", "NO-1")]
    shown = [answer.get_json() | {"request_id": None} for answer in answers]
    assert shown[0] == shown[1]
    assert shown[0]["code"] == "not_found"


def test_a_chart_shows_what_is_to_come_and_was_lately_with_the_versions_to_change(
    ward: Ward,
) -> None:
    unit_id, now = ward.unit(), clock.now()
    patient_id, doctor = ward.patient(unit_id=unit_id, version=3), ward.doctor()
    coming = ward.appointment(doctor, patient_id, now + 24 * HOUR, version=2)
    missed = ward.appointment(doctor, patient_id, now - 24 * HOUR, status="noshow")
    ward.appointment(doctor, patient_id, now - 31 * 24 * HOUR, status="fulfilled")
    ward.appointment(doctor, ward.patient(mrn="OTHER-1"), now + HOUR)
    found = chart(ward, ward.nurse(unit_id), patient_id)
    assert [each["id"] for each in found["appointments"]] == [missed, coming]
    assert [each["version"] for each in found["appointments"]] == [1, 2]
    assert found["patient"]["version"] == 3
    assert found["may"] == ["write", "open", "book", "hand_over", "take_over"]
    account, own = ward.self_patient()
    assert chart(ward, account, own)["may"] == ["book", "read_log"]
