"""What cannot be audited is not shown and not done: 503, on every route about a patient."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.database import Base
from tests.auth.helpers import SQLITE
from tests.clinical.test_matrix import ABOUT_PATIENTS, Live, call, people, strangers
from tests.clinical.test_matrix import live as live  # a fixture
from tests.clinical.ward import Ward

pytestmark = SQLITE
RECORDS = (
    "patients", "care_team_members", "appointments", "observations", "handoffs",
    "patient_owners", "notes", "note_versions", "patient_versions", "appointment_versions",
    "break_glass_grants",
)  # fmt: skip


@contextmanager
def no_trail(sql: Sql) -> Iterator[None]:
    """Take the table of events away meanwhile."""

    def rename(old: str, new: str) -> None:
        sql.rollback()
        sql.connection().exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
        sql.commit()

    rename("audit_events", "lost_events")
    try:
        yield
    finally:
        rename("lost_events", "audit_events")


def records(sql: Sql) -> dict[str, list[Any]]:
    sql.rollback()
    tables = Base.metadata.tables
    return {name: list(sql.execute(select(tables[name]))) for name in RECORDS}


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_without_a_trail_every_route_answers_503_and_changes_nothing(
    ward: Ward, live: Live, user_type: str, sql: Sql
) -> None:
    tied, stranger = people(ward, live)[user_type], strangers(ward)[user_type]
    for account in (tied, stranger):
        ward.access(account)
    before = records(sql)
    with no_trail(sql):
        answers = {
            (route, account.email): call(ward, account, route, live)
            for route in ABOUT_PATIENTS
            for account in (tied, stranger)
        }
    assert {key: status for key, status in answers.items() if status != 503} == {}
    assert records(sql) == before
    assert all(before[name] for name in RECORDS[:8])
