"""Linking an account to the record of the patient whose it is: opened and closed at once."""

from typing import Any

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.models import AuditedPatient, AuditEvent
from tests.auth_helper import Account
from tests.clinical.ward import Ward
from tests.ops.commands import done, done_json, refused

LINK, UNLINK = ("patients", "link"), ("patients", "unlink")
MRN = "KH-1234"


@pytest.fixture
def account(ward: Ward) -> Account:
    return ward.user("ada@home.example", "patient")


@pytest.fixture
def record(ward: Ward) -> int:
    return ward.patient(mrn=MRN)


def seen(ward: Ward, account: Account) -> list[int]:
    return [each["id"] for each in ward.get(account, "/api/patients/").get_json()["items"]]


def test_a_link_opens_the_record_to_a_session_that_runs_and_its_end_closes_it(
    ward: Ward, account: Account, record: int, runner: FlaskCliRunner
) -> None:
    assert seen(ward, account) == []
    facts: Any = done_json(runner, *LINK, " Ada@Home.example", MRN.lower(), "--yes")
    assert (facts["patient_id"], facts["user_id"]) == (record, account.id)
    assert seen(ward, account) == [record]
    assert "KH-1234" in done(runner, *UNLINK, account.email, "--yes")
    assert seen(ward, account) == []


def test_both_are_in_the_trail_of_the_record(
    ward: Ward, account: Account, record: int, runner: FlaskCliRunner, sql: Sql
) -> None:
    done(runner, *LINK, account.email, MRN, "--yes")
    done(runner, *UNLINK, account.email, "--yes")
    asked = select(AuditEvent).join(AuditedPatient, AuditedPatient.event_id == AuditEvent.id)
    found = sql.scalars(asked.where(AuditedPatient.patient_id == record)).all()
    assert [each.event for each in found] == ["patient:linked", "patient:unlinked"]
    assert {each.actor for each in found} == {"cli"}
    assert [each.detail for each in found] == [{"account": account.id}] * 2


def test_an_account_has_one_record_and_a_record_one_account(
    ward: Ward, account: Account, record: int, runner: FlaskCliRunner
) -> None:
    ward.patient(mrn="OTHER-1")
    other = ward.user("bea@home.example", "patient")
    done(runner, *LINK, account.email, MRN, "--yes")
    assert "another record" in refused(runner, *LINK, account.email, "OTHER-1", "--yes")
    assert "unlink that one first" in refused(runner, *LINK, other.email, MRN, "--yes")
    assert seen(ward, account) == [record]
    assert seen(ward, other) == []


def test_only_a_patients_account_is_linked(ward: Ward, record: int, runner: FlaskCliRunner) -> None:
    doctor = ward.user("doctor@ward.example", "doctor")
    assert "not a patient" in refused(runner, *LINK, doctor.email, MRN, "--yes")


def test_what_is_not_there_is_said_in_one_sentence(
    account: Account, record: int, runner: FlaskCliRunner
) -> None:
    assert "no account" in refused(runner, *LINK, "nobody@home.example", MRN, "--yes")
    assert "no record with this MRN" in refused(runner, *LINK, account.email, "NONE-1", "--yes")
    assert "linked to no record" in refused(runner, *UNLINK, account.email, "--yes")


def test_it_asks_first(ward: Ward, account: Account, record: int, runner: FlaskCliRunner) -> None:
    stopped = runner.invoke(args=[*LINK, account.email, MRN], input="n\n")
    assert stopped.exit_code == 1
    assert "Open the record KH-1234 to ada@home.example?" in stopped.stderr
    assert seen(ward, account) == []


def test_nothing_that_stands_in_the_record_is_printed(
    account: Account, record: int, runner: FlaskCliRunner
) -> None:
    result = runner.invoke(args=[*LINK, account.email, MRN, "--yes"])
    assert "Byron" not in result.output
