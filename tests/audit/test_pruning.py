"""Retention: the oldest events go, a signed checkpoint says so, and the rest stays whole."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.audit.models import AuditBlock, AuditCheckpoint, AuditedPatient, AuditEvent
from carelink_api.audit.pruning import EVERY, Pruner
from tests.audit.trail import Trail, Unguarded

YEARS = timedelta(days=2192)
DAY = timedelta(days=1)


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    """Three blocks of seven years ago, and two of yesterday."""
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    now = trail.at
    trail.at = now - timedelta(days=7 * 365)
    trail.grow(9, 9, 9)
    trail.at = now
    trail.grow(9, 9)
    return trail


def prune(trail: Trail) -> int:
    trail.sql.rollback()
    return Pruner(trail.keys, YEARS).round(trail.sql, clock.now())


def test_what_is_too_old_goes_and_the_rest_is_whole(trail: Trail, sql: Sql) -> None:
    assert prune(trail) == 27
    assert prune(trail) == 0
    assert sql.scalar(select(func.min(AuditEvent.id))) == 28
    assert sql.scalar(select(func.min(AuditedPatient.event_id))) == 30
    report = trail.verify()
    assert report.ok, report.faults
    assert (report.first_seq, report.last_seq, report.events) == (28, 45, 18)
    told = sql.scalars(select(AuditEvent).where(AuditEvent.event == "audit:pruned")).one()
    assert told.detail == {"events": 27, "through_seq": 27}
    trail.seal(at=clock.now())
    assert trail.faults() == []


def test_a_checkpoint_of_what_was_removed_cannot_be_made_up(trail: Trail, sql: Sql) -> None:
    prune(trail)
    with Unguarded(sql):
        sql.execute(text("UPDATE audit_checkpoints SET seq = 26 WHERE kind = 'pruned'"))
        sql.commit()
    assert {name for name, _ in trail.faults()} >= {"block_missing", "checkpoint_forged"}
    with Unguarded(sql):
        sql.execute(text("DELETE FROM audit_checkpoints WHERE kind = 'pruned'"))
        sql.commit()
    assert ("block_missing", 1) in trail.faults()


def test_what_was_altered_is_kept_as_the_proof(trail: Trail, sql: Sql) -> None:
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 5")
    with capture_logs() as said:
        assert prune(trail) == 0
    assert [line["fault"] for line in said if line["event"] == "audit_not_pruned"] == ["altered"]
    assert trail.faults() == [("altered", 5)]


def test_the_newest_block_stays_however_old(app: Flask, sql: Sql, tmp_path: Path) -> None:
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.at -= timedelta(days=7 * 365)
    trail.grow(3, 3)
    assert prune(trail) == 3
    trail.seal(at=clock.now())
    assert trail.faults() == []
    assert sql.scalars(select(AuditBlock.first_seq).order_by(AuditBlock.number)).all() == [4, 7]


def test_two_who_prune_remove_it_once(trail: Trail, sql: Sql) -> None:
    one, other = Pruner(trail.keys, YEARS), Pruner(trail.keys, YEARS)
    now = clock.now()
    due = other._due(sql, now)
    sql.rollback()
    assert one.round(sql, now) == 27
    assert other._remove(sql, due, now) == 0
    pruned = select(func.count()).where(AuditCheckpoint.kind == "pruned")
    assert sql.scalar(pruned) == 1
    assert trail.faults() == []
    assert one.round(sql, now + EVERY - timedelta(seconds=1)) == 0
