"""The trail only grows, whoever asks: a row is neither changed nor removed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.models import (
    AuditBlock,
    AuditCheckpoint,
    AuditedPatient,
    AuditEvent,
    AuditPurge,
    AuditReview,
)

YEAR = timedelta(days=365)
DIGEST = bytes(32)
MODELS = (AuditEvent, AuditedPatient, AuditBlock, AuditCheckpoint, AuditPurge, AuditReview)
TABLES = tuple(model.__tablename__ for model in MODELS)


def fill(sql: Sql, at: datetime) -> None:
    """Write a row into every table of the trail, as of that time."""
    event = {"id": 1, "recorded_at": at, "event": "patient:read", "outcome": "success"}
    event |= {"address": "192.0.2.4", "detail": {"basis": "self", "why": "lost tablet"}}
    sql.execute(insert(AuditEvent).values(event))
    sql.execute(insert(AuditedPatient).values(patient_id=7, event_id=1))
    block = {"number": 1, "first_seq": 1, "size": 1, "ids": "1", "marks": b"12345678"}
    block |= {"root": DIGEST, "previous": DIGEST, "head": DIGEST, "seal": DIGEST}
    sql.execute(insert(AuditBlock).values(block | {"sealed_at": at, "key_id": "k"}))
    checkpoint = {"kind": "grown", "block": 1, "seq": 1, "head": DIGEST, "made_at": at}
    sql.execute(insert(AuditCheckpoint).values(checkpoint | {"key_id": "k", "signature": b"s"}))
    purge = {"block": 1, "retention_class": "access", "ids": "", "digests": b"", "purged_at": at}
    sql.execute(insert(AuditPurge).values(purge | {"key_id": "k", "seal": DIGEST}))
    review = {"id": 1, "reviewed_at": at, "reviewer": "P. Officer", "scope": {}, "events": 1}
    sql.execute(insert(AuditReview).values(review | {"findings": "None", "follow_up": False}))
    sql.commit()


@pytest.fixture
def trail(app: Flask, sql: Sql) -> Sql:
    fill(sql, clock.now())
    return sql


def refused(sql: Sql, statement: Any) -> None:
    with pytest.raises(DBAPIError, match=r"only grows|stays as it is"):
        sql.execute(statement)
    sql.rollback()


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_removed(trail: Sql, table: str) -> None:
    refused(trail, text(f"DELETE FROM {table}"))
    if trail.get_bind().dialect.name == "postgresql":
        refused(trail, text(f"TRUNCATE {table}"))
    assert trail.scalar(text(f"SELECT count(*) FROM {table}")) == 1


def columns() -> Iterator[tuple[str, str, str]]:
    for model in MODELS:
        for column in model.__table__.columns:
            yield model.__tablename__, column.name, str(column.type)


def test_no_column_is_changed(trail: Sql) -> None:
    for table, column, kind in columns():
        value = {
            "DATETIME": "'2026-01-01 00:00:00+00'",
            "BLOB": "'1'",
            "JSON": "'{}'",
            "BOOLEAN": "true",
        }.get(kind)
        new = value or ("'other'" if "CHAR" in kind or kind == "TEXT" else "2")
        refused(trail, text(f"UPDATE {table} SET {column} = {new}"))


def test_no_row_is_replaced(trail: Sql) -> None:
    if trail.get_bind().dialect.name == "sqlite":  # it would not ask the trigger of DELETE
        for table in set(TABLES) - {"audited_patients"}:
            refused(trail, text(f"REPLACE INTO {table} SELECT * FROM {table}"))
    else:
        refused(
            trail,
            text(
                "INSERT INTO audit_events SELECT * FROM audit_events"
                " ON CONFLICT (id) DO UPDATE SET event = 'x'"
            ),
        )


ERASED: dict[str, Any] = {
    "address": None,
    "salt": None,
    "detail": {"basis": "self"},
    "commitment": DIGEST,
}


def erase(**other: Any) -> Any:
    return update(AuditEvent).values(ERASED | other)


OTHERS: list[dict[str, Any]] = [
    {"address": "192.0.2.4"}, {"salt": bytes(16)}, {"detail": None}, {"commitment": None},
    {"detail": {"basis": "unit"}}, {"detail": {"basis": "self", "why": "other"}},
    {"commitment": b"short"}, {"event": "x"}, {"user_id": 3}, {"outcome": "refused"},
    {"recorded_at": datetime(2026, 1, 1, tzinfo=UTC)}, {"reason": "x"}, {"actor": "cli"},
    {"sid": "x"}, {"jti": "x"}, {"request_id": "x"}, {"route": "x"}, {"role": "x"},
    {"id": 9},
]  # fmt: skip


def test_erasing_changes_nothing_but_what_may_be_erased(trail: Sql) -> None:
    for other in OTHERS:
        refused(trail, erase(**other))
    assert {name for other in OTHERS for name in other} == set(AuditEvent.__table__.columns.keys())


def test_erasing_is_done_once(trail: Sql) -> None:
    trail.execute(erase())
    trail.commit()
    event = trail.get_one(AuditEvent, 1)
    assert (event.address, event.detail, event.salt) == (None, {"basis": "self"}, None)
    trail.rollback()
    refused(trail, erase(commitment=bytes(31) + b"1"))


def test_what_is_older_than_anybody_may_ask_for_can_be_removed(app: Flask, sql: Sql) -> None:
    fill(sql, clock.now() - YEAR)
    refused(sql, text("DELETE FROM audited_patients"))
    refused(sql, text("DELETE FROM audit_purges"))  # while its block is there
    for table in TABLES[:-1]:
        sql.execute(text(f"DELETE FROM {table}"))
    refused(sql, text("DELETE FROM audit_reviews"))
    for table in TABLES[:-1]:
        sql.execute(text(f"DELETE FROM {table}"))
    sql.commit()
