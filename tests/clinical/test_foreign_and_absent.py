"""What is another's looks like what is not there, on every route, and each try leaves an event."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.matrix import MATRIX
from tests.clinical.test_matrix import Live, events, fresh, path_of, people, served
from tests.clinical.test_matrix import live as live  # a fixture
from tests.clinical.ward import Ward

pytestmark = SQLITE
ABSENT = 10_000
OPEN_TO_STAFF = {("GET", "/api/units/<id:unit_id>/staff/")}
"""Of a unit anybody who works here may know who is on shift: only an absent one is not found."""


def with_ids(app: Flask) -> list[tuple[tuple[str, str], str]]:
    """Return every route of the map with an id in it, once for each id."""
    return [
        ((method, rule), name)
        for method, rule in sorted(served(app))
        for name in re.findall(r"<id:(\w+)>", rule)
        if (method, rule) not in OPEN_TO_STAFF
    ]


def foreign(ward: Ward) -> dict[str, int]:
    """Return the ids of what somebody else has, somewhere else."""
    elsewhere = ward.unit("ICU")
    theirs = ward.patient("Theirs", unit_id=elsewhere)
    doctor = ward.doctor(email="their-doctor@ward.example")
    nurse = ward.user("their-nurse@ward.example", "nurse")
    return ward.records(theirs, doctor) | {
        "patient_id": theirs,
        "member_id": ward.care(doctor, theirs),
        "appointment_id": ward.appointment(doctor, theirs),
        "grant_id": ward.grant(doctor, theirs),
        "shift_id": ward.on_shift(nurse, elsewhere),
        "unit_id": elsewhere,
        "user_id": nurse.id,
    }


def ask(ward: Ward, account: Account, route: tuple[str, str], live: Live) -> tuple[Any, ...]:
    """Send the table's valid request; return all that its answer says, but for its id."""
    (method, rule), row = route, MATRIX[route]
    live["number"] += 1
    options: dict[str, Any] = {"json": row.body(live)} if row.body else {}
    options["query_string"] = row.query(live) if row.query else {}
    answer = ward.call(account, method, path_of(rule, live), version=row.version, **options)
    body = answer.get_json()
    body.pop("request_id", None)
    kept = ("Content-Type", "Content-Length", "WWW-Authenticate", "ETag", "Allow", "Cache-Control")
    return answer.status_code, body, {name: answer.headers.get(name) for name in kept}


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_a_foreign_id_is_answered_as_an_absent_one_and_both_leave_an_event(
    ward: Ward, live: Live, user_type: str, app: Flask, sql: Sql
) -> None:
    account = people(ward, live)[user_type]
    theirs = foreign(ward)
    ward.access(account)
    asked = with_ids(app)
    assert len(asked) > 50
    unlike, untold = [], []
    for route, name in asked:
        answers = []
        for id in (theirs[name], theirs[name] + ABSENT):
            fresh(ward, live, sql)
            ward.access(account)
            before = events(sql)
            answers.append(ask(ward, account, route, live | {name: id}))
            if events(sql) != before + 1:
                untold.append((route, name, id))
        if answers[0] != answers[1] or answers[0][0] not in (403, 404):
            unlike.append((route, name, answers))
    assert unlike == []
    assert untold == []
