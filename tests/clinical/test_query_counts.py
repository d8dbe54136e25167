"""How many statements each clinical route takes: bounded, whatever the number of rows."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from carelink_api.extensions import db
from tests.clinical.matrix import MATRIX
from tests.clinical.test_matrix import ABOUT_PATIENTS, Live, call, people
from tests.clinical.test_matrix import live as live  # a fixture
from tests.clinical.ward import Ward

MOST = 12
"""BEGIN IMMEDIATE of SQLite and everything about the audit among them."""
CHART = ("GET", "/api/patients/<id:patient_id>/chart/")
LISTS = [route for route in ABOUT_PATIENTS if route[0] == "GET" and route[1][-1] == "/"
         and not route[1].endswith(">/")]  # fmt: skip


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements of `app`'s requests so far."""
    with app.app_context():
        engine: Engine = db.engine
    seen: list[str] = []

    def note(*args: Any) -> None:
        seen.append(args[2])

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_no_route_takes_more_than_a_dozen_statements(
    ward: Ward, live: Live, user_type: str, statements: list[str]
) -> None:
    account = people(ward, live)[user_type]
    ward.access(account)
    for route in ABOUT_PATIENTS:
        call(ward, account, route, live)
        statements.clear()
        call(ward, account, route, live | {"number": 500 + live["number"]})
        assert 0 < len(statements) <= MOST, (route, statements)


@pytest.mark.parametrize("user_type", ["nurse", "doctor"])
def test_a_list_takes_as_many_statements_for_thirty_rows_as_for_one(
    ward: Ward, live: Live, user_type: str, statements: list[str]
) -> None:
    account = people(ward, live)[user_type]
    ward.access(account)

    def counted() -> dict[tuple[str, str], int]:
        counts = {}
        for route in LISTS:
            statements.clear()
            assert call(ward, account, route, live) in (200, 403)
            counts[route] = len(statements)
        return counts

    counted()
    one = counted()
    doctor = ward.doctor(email="another@x.example")
    for number in range(30):
        patient_id = ward.patient(unit_id=live["unit_id"], mrn=f"MANY-{number}")
        for looking_after in (account, doctor):
            ward.care(looking_after, patient_id)
            ward.care(looking_after, live["patient_id"])
        ward.appointment(doctor, patient_id)
    many = counted()
    # A page that is full does not show how many there are: one more counts them.
    assert all(many[route] - one[route] in (0, 1) for route in LISTS), (one, many)
    assert one.pop(CHART) <= 11  # it stands in for seven requests
    assert max(one.values()) <= 8
    assert set(LISTS) <= set(MATRIX)
