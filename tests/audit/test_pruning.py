"""Retention: the oldest events go, a signed checkpoint says so, and the rest stays whole."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.audit.classes import RetentionClass, class_of
from carelink_api.audit.models import (
    AuditBlock,
    AuditCheckpoint,
    AuditedPatient,
    AuditEvent,
    AuditPurge,
)
from carelink_api.audit.pruning import Pruner
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
    return Pruner(trail.keys, YEARS).prune(trail.sql, clock.now()).events


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


def test_a_block_that_bears_a_time_to_come_leaves_no_hole(trail: Trail, sql: Sql) -> None:
    with Unguarded(sql):
        later = clock.now() + timedelta(days=7)
        sql.execute(update(AuditBlock).where(AuditBlock.number == 2).values(sealed_at=later))
        sql.commit()
    numbers = [row.number for row in Pruner(trail.keys, YEARS)._due(sql, clock.now())]
    assert numbers == [1]


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
    assert one.prune(sql, now).events == 27
    assert other._remove(sql, due, now) == 0
    pruned = select(func.count()).where(AuditCheckpoint.kind == "pruned")
    assert sql.scalar(pruned) == 1
    assert trail.faults() == []


# Classes that are kept for less long.


def thinning(trail: Trail, **days: int) -> Pruner:
    classes = {RetentionClass(name): timedelta(days=kept) for name, kept in days.items()}
    return Pruner(trail.keys, YEARS, classes)


@pytest.fixture
def mixed(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    """Reads and a login in every third place: two blocks of last year, and one of yesterday."""
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    now = trail.at
    trail.at = now - timedelta(days=400)
    for _ in range(2):
        trail.write(2)
        trail.write(1, event="login:succeeded")
        trail.write(2)
        trail.seal()
    trail.at = now
    trail.grow(3)
    return trail


def all_pruned(pruner: Pruner, sql: Sql) -> int:
    count = 0
    while (done := pruner.prune(sql, clock.now())).more:
        count += done.events
    return count


def test_a_class_that_is_kept_for_less_long_goes_early_and_the_chain_is_whole(
    mixed: Trail, sql: Sql
) -> None:
    assert all_pruned(thinning(mixed, access=365), sql) == 8
    left = list(sql.scalars(select(AuditEvent.id).where(AuditEvent.id < 11)))
    assert left == [3, 8]
    about = select(AuditedPatient.event_id).order_by(AuditedPatient.event_id)
    assert list(sql.scalars(about)) == [3, 12]
    report = mixed.verify()
    assert (report.faults, report.purged, report.last_seq) == ([], 8, 13)
    (told,) = sql.scalars(select(AuditEvent).where(AuditEvent.event == "audit:pruned"))
    assert told.detail == {"events": 8, "retention_class": "access", "through_seq": 10}
    assert all_pruned(thinning(mixed, access=365), sql) == 0
    assert all_pruned(thinning(mixed, access=365, security=200), sql) == 2
    assert mixed.verify().purged == 10


def test_what_a_purge_has_left_cannot_be_made_up(mixed: Trail, sql: Sql) -> None:
    all_pruned(thinning(mixed, access=365), sql)
    mixed.attack("DELETE FROM audit_events WHERE id = 3")
    assert ("missing", 3) in mixed.faults()
    mixed.attack("UPDATE audit_purges SET ids = '1-5' WHERE block = 1")
    assert {"purge_forged", "missing"} <= {name for name, _ in mixed.faults()}


def test_a_purge_that_was_taken_away_shows(mixed: Trail, sql: Sql) -> None:
    all_pruned(thinning(mixed, access=365), sql)
    with pytest.raises(DBAPIError, match="only grows"):
        sql.execute(text("DELETE FROM audit_purges"))
    sql.rollback()
    mixed.attack("DELETE FROM audit_purges WHERE block = 2")
    assert [name for name, _ in mixed.faults()] == ["missing"] * 4


def test_what_was_altered_is_not_thinned(mixed: Trail, sql: Sql) -> None:
    mixed.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 3")
    done = thinning(mixed, access=365).prune(sql, clock.now())
    assert (done.events, done.whole) == (0, False)


def test_a_block_goes_as_a_whole_when_its_longest_class_is_over(mixed: Trail, sql: Sql) -> None:
    all_pruned(thinning(mixed, access=365), sql)
    shorter = Pruner(mixed.keys, timedelta(days=390))
    assert all_pruned(shorter, sql) == 10
    assert sql.scalar(select(func.count()).select_from(AuditPurge)) == 0
    report = mixed.verify()
    assert (report.faults, report.first_seq) == ([], 11)


def test_a_class_that_is_kept_longer_keeps_its_blocks(mixed: Trail, sql: Sql) -> None:
    kept = {RetentionClass.SECURITY: timedelta(days=4000)}
    pruner = Pruner(mixed.keys, timedelta(days=365), kept)
    assert all_pruned(pruner, sql) == 8
    assert mixed.verify().first_seq == 1
    assert mixed.faults() == []


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("login:refused", "security"), ("token:refused", "security"), ("user:erased", "security"),
        ("audit:pruned", "security"), ("unit:sessions_refused", "security"),
        ("patient:read", "access"), ("board:read", "access"), ("notes:listed", "access"),
        ("break_glass:opened", "access"), ("access_log:read", "access"),
        ("note:signed", "clinical"), ("patient:changed", "clinical"),
        ("observation:entered_in_error", "clinical"), ("appointment:booked", "clinical"),
        ("shift:changed", "administrative"), ("unit:created", "administrative"),
    ],
)  # fmt: skip
def test_each_event_has_its_class(event: str, kind: str) -> None:
    assert class_of(event) == kind
