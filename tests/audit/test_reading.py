"""Operators look into the trail and hand it on; that they did is an event itself."""

import json
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.canonical import digest, moment
from carelink_api.audit.events import Event, Outcome
from carelink_api.audit.fhir import bundle
from carelink_api.audit.models import AuditedPatient, AuditEvent
from carelink_api.audit.reading import PAGE, SORTABLE
from tests.audit.trail import Trail
from tests.auth_helper import EMAIL, Auth
from tests.conftest import MakeApp
from tests.ops.commands import done, done_json, refused, sqlite_only


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path, auth: Auth) -> Trail:
    """Events of a day ago, those of five users; the account is one of them."""
    assert auth.create_user().id == 1
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail._next_id = 2
    trail.write(20)
    trail.write(2, event="login:refused", outcome="refused", user_id=None, actor=None)
    trail.seal()
    return trail


def ids(runner: FlaskCliRunner, *words: str) -> list[int]:
    return [row["id"] for row in done_json(runner, "audit", "list", *words)]


def test_the_trail_is_listed_by_what_one_asks_for(
    runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    start = trail.at
    assert ids(runner, "--outcome", "refused") == [23, 22]
    assert ids(runner, "--event", "login:") == [23, 22]
    assert ids(runner, "--event", "login") == []
    assert ids(runner, "--patient", "7", "--ascending", "--limit", "3") == [3, 6, 9]
    assert set(ids(runner, "--user", EMAIL)) == {5, 10, 15, 20}
    since = moment(sql.get_one(AuditEvent, 20).recorded_at)
    assert ids(runner, "--since", since, "--until", moment(start)) == [22, 21, 20]
    assert refused(runner, "audit", "list", "--user", "nobody@ward.example")
    known = done(runner, "audit", "list", "--limit", "2")
    assert "2 of " in known
    sql.rollback()
    said = sql.scalars(select(AuditEvent).where(AuditEvent.event == "trail:read")).all()
    assert len(said) == 7
    assert said[0].detail == {"by": ["outcome"], "events": 2}
    about = select(AuditedPatient.event_id).where(AuditedPatient.event_id >= said[0].id)
    assert sql.scalars(about).all() == [said[3].id]


def test_it_is_sorted_by_every_field(runner: FlaskCliRunner, trail: Trail) -> None:
    for field in SORTABLE[1:]:  # by patient: see tests/audit/test_reviews.py
        rows = done_json(runner, "audit", "list", "--event", "patient:read", "--sort", field)
        values = [row[field] for row in rows]
        assert values == sorted(values, reverse=True), field
    assert json.dumps(rows).count("salt") == 0


def test_lines_hold_all_that_was_sealed(runner: FlaskCliRunner, trail: Trail, sql: Sql) -> None:
    lines = done(runner, "audit", "export", "--event", "patient:read").splitlines()
    assert len(lines) == 20
    for line in lines:
        told = json.loads(line)
        row = sql.execute(
            select(AuditEvent.__table__).where(AuditEvent.id == told["id"])
        ).one()._asdict()  # fmt: skip
        again = told | {"recorded_at": row["recorded_at"], "salt": bytes.fromhex(told["salt"])}
        patients = [7] if told["id"] % 3 == 0 else []
        assert digest(again, again["patients"]) == digest(row, patients)


def test_an_export_is_a_new_file_and_an_event(
    runner: FlaskCliRunner, trail: Trail, sql: Sql, tmp_path: Path
) -> None:
    trail.write(PAGE)
    trail.seal()
    file = tmp_path / "trail.fhir"
    words = ("audit", "export", "--format", "fhir", "--until", moment(clock.now()))
    done(runner, *words, "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    bundles = [json.loads(line) for line in file.read_text().splitlines()]
    assert [len(each["entry"]) for each in bundles] == [PAGE, 22]
    for each in bundles[1:]:
        get_fhir_model_class("Bundle").model_validate(each)
    assert "cannot be written" in refused(runner, *words, "--output", str(file))
    sql.rollback()
    exported = select(func.count()).where(AuditEvent.event == Event.AUDIT_EXPORTED)
    assert sql.scalar(exported) == 2


@sqlite_only
def test_every_event_has_its_form_in_fhir(app: Flask, sql: Sql) -> None:
    names = ("reason", "actor", "user_id", "sid", "jti", "request_id", "address", "route", "detail")
    blank: dict[str, object] = dict.fromkeys(names)
    full = {"reason": "reused", "actor": "user:7", "user_id": 8, "sid": "s", "jti": "j",
            "request_id": "r", "address": "2001:db8::7", "route": "/api/x/<id>/",
            "detail": {"basis": "unit", "basis_id": 3}}  # fmt: skip
    shared = {"id": 1, "recorded_at": clock.now(), "salt": None, "commitment": None}
    events = [
        shared | columns | {"event": str(event), "outcome": str(outcome), "patients": patients}
        for event in Event
        for outcome in Outcome
        for columns, patients in ((blank, []), (full, [7, 9]))
    ]
    told = get_fhir_model_class("Bundle").model_validate(bundle(events))
    assert len(told.entry) == len(Event) * len(Outcome) * 2
    kinds = {each.resource.type.code for each in told.entry}
    assert kinds == {"110101", "110106", "110113", "110114", "rest"}
    login = next(each.resource for each in told.entry if each.resource.outcome == "4")
    glass = bundle([shared | full | {"event": "note:read", "outcome": "success", "patients": [7],
                    "detail": {"basis": "break_glass"}}])  # fmt: skip
    (entry,) = get_fhir_model_class("Bundle").model_validate(glass).entry
    assert entry.resource.purposeOfEvent[0].coding[0].code == "BTG"
    assert (entry.resource.type.code, entry.resource.action) == ("rest", "R")
    assert (login.subtype[0].code, login.agent[0].requestor) == ("110122", True)


def test_two_thousand_events_of_the_past_are_streamed(
    runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    rows = [trail._event(1000 + i) for i in range(2000)]
    sql.execute(insert(AuditEvent), rows)
    sql.commit()
    trail.seal()
    lines = done(runner, "audit", "export", "--event", "patient:read").splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == 2020


def test_what_does_not_verify_is_not_handed_on_unless_somebody_wants_it_all_the_same(
    runner: FlaskCliRunner, trail: Trail, sql: Sql, tmp_path: Path
) -> None:
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 3")
    words, file = ["audit", "export", "--event", "patient:read"], tmp_path / "export.jsonl"
    said = runner.invoke(args=[*words, "--output", str(file)])
    assert (said.exit_code, file.exists(), said.stdout) == (1, False, "")
    assert "(seq 2, event 3, block 1)" in said.stderr
    said = runner.invoke(args=[*words, "--output", str(file), "--despite-faults"])
    assert (said.exit_code, len(file.read_text().splitlines())) == (3, 20)
    told = [
        each.detail or {}
        for each in sql.scalars(
            select(AuditEvent).where(AuditEvent.event == "audit:exported").order_by(AuditEvent.id)
        )
    ]
    assert [(each["faults"], each["despite"]) for each in told] == [(1, False), (1, True)]


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM audit_events WHERE id = 30",
        "DELETE FROM audited_patients WHERE event_id = 30",
        "UPDATE audit_events SET event = 'chart:read' WHERE id = 30",
        "UPDATE audit_events SET recorded_at = '2020-01-01 00:00:00' WHERE id = 30",
    ],
)
def test_what_was_taken_out_of_a_selection_keeps_it_from_being_exported(
    attack: str, runner: FlaskCliRunner, trail: Trail
) -> None:
    trail._next_id = 30
    trail.grow(1, 9)  # a block of its own, of which nothing is left to be taken
    words = ["audit", "export", "--patient", "7", "--event", "patient:"]
    words += ["--since", moment(trail.at - timedelta(minutes=5))]
    assert runner.invoke(args=words).exit_code == 0
    trail.attack(attack)
    said = runner.invoke(args=words)
    assert (said.exit_code, said.stdout) == (1, "")
    assert "event 30" in said.stderr


def test_only_the_period_that_is_exported_is_looked_into(
    runner: FlaskCliRunner, trail: Trail
) -> None:
    first = trail.at
    trail.at += timedelta(hours=3)
    trail.grow(10)
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 3")
    later = moment(first + timedelta(hours=2))
    assert runner.invoke(args=["audit", "export", "--since", later]).exit_code == 0
    assert runner.invoke(args=["audit", "export", "--since", moment(first)]).exit_code == 1
    assert runner.invoke(args=["audit", "export", "--until", later]).exit_code == 1
    trail.attack(
        "UPDATE audit_events SET outcome = 'success' WHERE id = 3",
        "UPDATE audit_events SET outcome = 'refused' WHERE id = (SELECT max(id) FROM audit_events"
        " WHERE event = 'patient:read')",
    )
    assert runner.invoke(args=["audit", "export", "--since", later]).exit_code == 1
    earlier = moment(first - timedelta(hours=2))
    assert runner.invoke(args=["audit", "export", "--until", earlier]).exit_code == 0


def test_listings_say_until_when_an_event_is_kept(
    make_app: MakeApp, sql: Sql, tmp_path: Path
) -> None:
    app = make_app(audit_retention_days=400, audit_retention_days_by_class={"access": 200})
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.grow(2)
    trail.write(1, event="login:succeeded")
    trail.seal()
    runner = app.test_cli_runner()
    rows = done_json(runner, "audit", "list", "--sort", "id", "--ascending")
    days = [(datetime.fromisoformat(row["kept_until"])
             - datetime.fromisoformat(row["recorded_at"])).days for row in rows]  # fmt: skip
    assert days == [200, 200, 400]
    assert [row["retention_class"] for row in rows] == ["access", "access", "security"]
    assert (trail.at + timedelta(days=400)).date().isoformat() in done(runner, "audit", "list")
    lines = [json.loads(line) for line in done(runner, "audit", "export").splitlines()]
    assert [line["kept_until"] for line in lines][:3] == [row["kept_until"] for row in rows]
