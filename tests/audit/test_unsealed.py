"""Whoever can write rows cannot keep events from being sealed, or is found."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.audit.record import BACKDATED, record
from carelink_api.audit.unsealed import late_after, newest_sealed_id, oldest_unsealed
from carelink_api.audit.verifying import LATE, Verifier
from carelink_api.database import writing
from tests.audit.trail import SECOND, Trail


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    return Trail(app, sql, tmp_path / "checkpoints.jsonl")


def faults(trail: Trail, sealed_until: timedelta) -> list[tuple[str, int | None]]:
    trail.sql.rollback()
    until = clock.now() - sealed_until
    report = Verifier(trail.sql, trail.keys, lambda _: None, sealed_until=until).run()
    return [(str(found.fault), found.event_id) for found in report.faults]


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit_gaps SET first_id = 4611686018427387904",
        "UPDATE audit_gaps SET first_id = 1, last_id = 2",
        "DELETE FROM audit_gaps",
        "INSERT INTO audit_gaps VALUES (4611686018427387904, 9223372036854775807)",
    ],
)
def test_the_list_of_open_ids_is_not_believed(trail: Trail, sql: Sql, attack: str) -> None:
    trail.grow(5)
    sql.execute(text(attack))
    sql.commit()
    trail.write(3)
    assert trail.seal() == 3
    assert trail.faults() == []


def test_an_event_that_nobody_seals_is_a_fault_after_a_while(trail: Trail, sql: Sql) -> None:
    trail.grow(3)
    trail.write(2)
    assert faults(trail, timedelta(days=2)) == []
    assert faults(trail, timedelta(hours=1)) == [("unsealed", 4)]
    assert oldest_unsealed(sql) == trail.at - SECOND
    trail.seal()
    assert faults(trail, timedelta(hours=1)) == []
    assert oldest_unsealed(sql) is None


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_late_event_whose_gap_somebody_closed_is_found(trail: Trail, sql: Sql) -> None:
    trail.grow(3)
    trail._next_id = 5
    trail.grow(2)
    sql.execute(text("DELETE FROM audit_gaps WHERE first_id = 4"))
    late = {"id": 4, "recorded_at": trail.at, "event": "patient:read", "outcome": "success"}
    sql.execute(insert(AuditEvent).values(late))
    sql.commit()
    assert trail.seal() == 0
    assert faults(trail, timedelta(hours=1)) == [("unsealed", 4)]


def test_a_block_of_late_events_alone_hides_nothing(trail: Trail, sql: Sql) -> None:
    trail.grow(3)
    trail._next_id = 6
    trail.grow(2)
    trail._next_id = 4
    trail.grow(1)
    assert newest_sealed_id(sql) == 7
    assert oldest_unsealed(sql) is None
    trail._next_id = 8
    trail.grow(1)
    assert trail.faults() == []


def test_the_least_patience_is_two_minutes_and_the_rest_six_rounds() -> None:
    assert late_after(timedelta(seconds=10)) == timedelta(minutes=2)
    assert late_after(timedelta(hours=1)) == timedelta(hours=6)


def test_an_act_of_the_past_is_written_with_todays_time_and_is_no_fault(
    app: Flask, trail: Trail, sql: Sql
) -> None:
    trail.at = clock.now() - timedelta(minutes=1)
    trail.grow(3)
    then = clock.now() - timedelta(days=3)
    trail._next_id += 1
    with app.app_context(), writing(sql):
        record(sql, Event.BREAK_GLASS_OPENED, now=then, actor="cli")
    trail.seal(at=clock.now())
    assert trail.faults() == []
    opened = select(AuditEvent).where(AuditEvent.event == Event.BREAK_GLASS_OPENED)
    event = sql.scalars(opened).one()
    assert clock.now() - event.recorded_at < timedelta(minutes=1)
    assert event.detail == {"occurred_at": then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    assert BACKDATED < LATE
