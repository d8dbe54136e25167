"""Vital signs: whose may be seen and written by whom, and what the trail says of it."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.extensions import db
from tests.auth_helper import Account
from tests.clinical.trail import accesses, latest_detail
from tests.clinical.vital_signs import PULSE, listed, mark, path, reading, record
from tests.clinical.ward import HOUR, Ward
from tests.sessions.helpers import statements


def test_another_patients_observation_is_not_found_under_a_patient_of_ones_own(
    ward: Ward, nurse: Account, patient: int
) -> None:
    other = ward.patient(unit_id=ward.unit("ICU"))
    [theirs] = record(ward, ward.doctor(other), other)
    for answer in (
        ward.get(nurse, path(patient, theirs)), mark(ward, nurse, patient, theirs),
        ward.get(nurse, path(patient, theirs + 100)),
    ):  # fmt: skip
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    for answer in (
        ward.get(nurse, path(other, theirs)), mark(ward, nurse, other, theirs),
        ward.get(nurse, path(other)), ward.get(nurse, path(other, "latest")),
        ward.get(nurse, path(other, "trend"), query_string={"code": PULSE}),
        ward.post(nurse, path(other), {"items": [reading()]}),
    ):  # fmt: skip
        assert (answer.status_code, answer.get_json()["code"]) == (403, "break_glass_available")


def test_a_patient_reads_and_writes_nothing(ward: Ward, nurse: Account) -> None:
    account, own = ward.self_patient(unit_id=ward.unit())
    [made] = record(ward, nurse, own)
    assert listed(ward, account, own) == [made]
    answers = [
        ward.post(account, path(own), {"items": [reading()]}),
        mark(ward, account, own, made),
    ]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in answers] == [
        (403, "forbidden"), (403, "forbidden"),
    ]  # fmt: skip


@pytest.mark.parametrize("user_type", ["researcher", "admin", "ops"])
def test_who_has_no_patients_finds_nothing(
    ward: Ward, nurse: Account, patient: int, user_type: str
) -> None:
    account, [made] = ward.user("x@ward.example", user_type), record(ward, nurse, patient)
    answers = [
        ward.get(account, path(patient)), ward.get(account, path(patient, made)),
        ward.get(account, path(patient, "latest")), mark(ward, account, patient, made),
        ward.get(account, path(patient, "trend"), query_string={"code": PULSE}),
        ward.post(account, path(patient), {"items": [reading()]}),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {404}


def test_in_handoff_time_a_nurse_still_records_and_corrects(ward: Ward, patient: int) -> None:
    now = clock.now()
    nurse = ward.nurse(
        ward.unit(), "late@ward.example", starts_at=now - 8 * HOUR, ends_at=now - HOUR / 12
    )
    [made] = record(ward, nurse, patient)
    assert mark(ward, nurse, patient, made).status_code == 200


def test_every_access_is_audited_once_and_without_what_was_measured(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    [made] = record(ward, nurse, patient, reading(value=123))
    assert latest_detail(sql)["observation_ids"] == [made]
    listed(ward, nurse, patient, code=PULSE)
    ward.get(nurse, path(patient, "latest"))
    ward.get(nurse, path(patient, "trend"), query_string={"code": PULSE})
    ward.get(nurse, path(patient, made))
    mark(ward, nurse, patient, made)
    assert set(latest_detail(sql)) == {"basis", "basis_id", "observation_id"}
    ward.get(nurse, path(patient, made + 1))
    mark(ward, nurse, patient, made)
    ward.post(nurse, path(patient), {"items": [reading(effective_at="2099-01-01T00:00:00Z")]})
    ok, no = ("success", None, [patient]), ("refused", "not_found", [patient])
    assert accesses(sql) == [
        ("observations:recorded", *ok), *[("observations:listed", *ok)] * 3,
        ("observation:read", *ok), ("observation:entered_in_error", *ok),
        ("observation:read", *no),
        ("observation:entered_in_error", "refused", "precondition_failed", [patient]),
        ("observations:recorded", "refused", "validation_failed", [patient]),
    ]  # fmt: skip


def test_the_number_of_statements_does_not_grow_with_the_record(
    app: Flask, ward: Ward, nurse: Account, patient: int
) -> None:
    record(ward, nurse, patient)
    with app.app_context():
        engine = db.engine

    def counted() -> list[int]:
        counts = []
        for there, query in (("", {}), ("latest", {}), ("trend", {"code": PULSE})):
            with statements(engine) as seen:
                ward.get(nurse, path(patient, there) if there else path(patient),
                         query_string=query)  # fmt: skip
            counts.append(len(seen))
        with statements(engine) as seen:
            record(ward, nurse, patient, *[reading()] * 40)
        return [*counts, len(seen)]

    few, many = counted(), counted()
    assert few == many
    assert max(few) <= 7  # roster, chart, what is asked in one or two, the event and its patient
