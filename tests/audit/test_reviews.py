"""Who reviews the trail signs it off, and its guards are themselves watched."""

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.guards import Watchman
from carelink_api.audit.models import AuditEvent
from tests.audit.trail import Trail, Unguarded
from tests.ops.commands import done as done_text
from tests.ops.commands import done_json, refused


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.grow(9)
    return trail


def period(trail: Trail) -> list[str]:
    since, until = trail.at - timedelta(hours=1), trail.at + timedelta(hours=1)
    return ["--since", since.isoformat(), "--until", until.isoformat()]


def events(sql: Sql, name: str) -> list[AuditEvent]:
    sql.rollback()
    return list(sql.scalars(select(AuditEvent).where(AuditEvent.event == name)))


def test_a_review_is_stored_told_of_and_never_changed(
    runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    words = [*period(trail), "--patient", "7", "--reviewer", "P. Officer"]
    done = done_json(
        runner, "audit", "review", *words, "--findings", "Two look-ups asked about", "--follow-up"
    )
    (shown,) = done_json(runner, "audit", "reviews")
    assert (shown["id"], shown["events"], shown["follow_up"]) == (done["review"], 3, True)
    assert (shown["reviewer"], shown["findings"]) == ("P. Officer", "Two look-ups asked about")
    assert shown["scope"] == {"patient_id": 7}
    assert "patient id 7" in done_text(runner, "audit", "reviews")
    (event,) = events(sql, "audit:reviewed")
    assert event.detail == {
        "review": done["review"],
        "events": 3,
        "follow_up": True,
        "by": ["patient_id", "since", "until"],
    }
    for change in ("UPDATE audit_reviews SET findings = ''", "DELETE FROM audit_reviews"):
        with pytest.raises(DBAPIError, match=r"stays as it is|only grows"):
            sql.execute(text(change))
        sql.rollback()


def test_a_review_needs_a_period_a_name_and_findings(runner: FlaskCliRunner, trail: Trail) -> None:
    named = ["--reviewer", "P. Officer", "--findings", "Nothing"]
    assert "--since and --until" in refused(runner, "audit", "review", *named)
    empty = ["--reviewer", " ", "--findings", "Nothing"]
    assert "1 to 100" in refused(runner, "audit", "review", *period(trail), *empty)
    assert done_json(runner, "audit", "reviews") == []


@pytest.mark.parametrize("sort", ["patient", "user_id", "event", "outcome", "recorded_at"])
def test_reports_are_sorted_by_each_field(runner: FlaskCliRunner, trail: Trail, sort: str) -> None:
    rows = done_json(runner, "audit", "list", *period(trail), "--sort", sort, "--ascending")
    assert len(rows) == 9
    if sort == "patient":
        assert [row["patients"] for row in rows] == [[7]] * 3 + [[]] * 6
    else:
        assert rows == sorted(rows, key=lambda row: (row[sort], row["id"]))


def test_that_the_guards_were_off_is_on_record(app: Flask, trail: Trail, sql: Sql) -> None:
    watchman = Watchman("housekeeper")
    with app.app_context():
        watchman.look(sql, clock.now())
        assert events(sql, "audit:unguarded") == []
        if sql.get_bind().dialect.name == "sqlite":
            with Unguarded(sql):
                watchman.look(sql, clock.now())
        else:
            sql.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
            sql.commit()
            watchman.look(sql, clock.now())
            sql.execute(text("ALTER TABLE audit_events ENABLE TRIGGER USER"))
            sql.commit()
        watchman.look(sql, clock.now())
        watchman.look(sql, clock.now())
    (off,) = events(sql, "audit:unguarded")
    assert off.outcome == "alert"
    assert "audit_events_no_update" in (off.detail or {})["missing"]
    assert len(events(sql, "audit:guarded")) == 1
