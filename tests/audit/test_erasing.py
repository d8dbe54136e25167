"""A person is erased from the trail, and the chain stays whole."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import insert, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.audit.erasing import erase_events
from carelink_api.audit.models import AuditEvent
from carelink_api.clinical.models import Patient
from carelink_api.extensions import db
from carelink_api.sessions.models import Session
from tests.audit.trail import Trail
from tests.auth_helper import EMAIL, Auth
from tests.conftest import MakeApp
from tests.ops.commands import done_json, refused
from tests.ops.operator import WHY, Operator
from tests.servers import PostgresServer
from tests.shifts.helpers import HOUR, admin_roster, give_shift

DEVICE = "Anna's own tablet"
FROM = {"environ_overrides": {"REMOTE_ADDR": "198.51.100.77"}}


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    return Trail(app, sql, tmp_path / "checkpoints.jsonl")


def seal(trail: Trail, at: datetime | None = None) -> None:
    trail.sql.rollback()
    trail.seal(at=at or clock.now())


def everything(sql: Sql, *tables: str) -> str:
    sql.rollback()
    return "\n".join(
        str(row) for table in tables for row in sql.execute(text(f"SELECT * FROM {table}"))
    )


def test_nothing_of_a_patient_s_account_is_left_and_the_chain_is_whole(
    auth: Auth, runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    user = auth.create_user(user_type="patient")
    sql.add(Patient(mrn="A1", user_id=user.id, name="Anna", name_key="anna"))
    sql.commit()
    body = {"email": EMAIL, "password": user.password, "device_name": DEVICE}
    pair = auth.post("login", body, **FROM).get_json()
    auth.refresh(pair["refresh"], **FROM)
    done_json(runner, "sessions", "revoke", "--user", EMAIL, "--reason", "Anna asked", "--yes")
    auth.post("login", body | {"password": "a wrong one entirely"}, **FROM)
    seal(trail)
    before = trail.verify()
    assert (before.ok, before.erased) == (True, 0)

    told = done_json(runner, "users", "erase", EMAIL, "--yes")

    left = everything(sql, "users", "sessions", "audit_events")
    for trace in (EMAIL, "198.51.100.77", DEVICE, "Anna"):
        assert trace not in left
    assert told["events"] == 6
    assert sql.scalars(select(Session.address)).all() == [None]
    assert sql.scalar(select(Patient.user_id)) is None
    assert sql.scalar(select(Patient.name)) == "Anna"  # the record stays, by law
    assert trail.verify().ok  # what tells of it is not sealed yet
    seal(trail)
    after = trail.verify()
    assert (after.ok, after.erased) == (True, 6)
    assert auth.post("login", body).status_code == 401
    assert "no account" in refused(runner, "users", "erase", EMAIL, "--yes").lower()


def test_what_was_erased_is_still_covered(
    auth: Auth, runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    auth.create_user()
    auth.tokens()
    seal(trail)
    done_json(runner, "users", "erase", EMAIL, "--yes")
    seal(trail)
    event = sql.scalars(select(AuditEvent.id).where(AuditEvent.commitment.is_not(None))).first()
    for attack in ("address = '192.0.2.9'", "outcome = 'refused'", "salt = commitment"):
        trail.attack(f"UPDATE audit_events SET {attack} WHERE id = {event}")
        assert [name for name, _ in trail.faults()] == ["altered"], attack
        trail.attack(
            f"UPDATE audit_events SET address = NULL, outcome = 'success', salt = NULL"
            f" WHERE id = {event}"
        )
    assert trail.faults() == []


def test_who_writes_records_keeps_a_name_and_nobody_is_asked_twice(
    auth: Auth, runner: FlaskCliRunner, sql: Sql
) -> None:
    user = auth.create_user(user_type="doctor")
    assert "Nothing was done" in refused(runner, "users", "erase", EMAIL)
    email = done_json(runner, "users", "erase", EMAIL, "--yes")["email"]
    again = done_json(runner, "users", "erase", email, "--yes")  # after an interruption
    assert (again["email"], again["events"]) == (email, 0)
    row = sql.get_one(User, user.id)
    assert row.name
    assert row.name != "Erased"
    assert row.disabled_at is not None
    stages = select(AuditEvent.detail).where(AuditEvent.event == "user:erased")
    stages = stages.order_by(AuditEvent.id)
    assert [(each or {})["stage"] for each in sql.scalars(stages)] == ["begun", "done"] * 2


def test_reasons_go_where_others_or_nobody_is_named_first(
    app: Flask, auth: Auth, runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    erased = auth.create_user()
    other, operator = auth.create_user("other@ward.example"), Operator(auth)
    shift, _ = give_shift(app, erased.id), give_shift(app, other.id, -HOUR, HOUR)
    kept = auth.tokens(other.email)["session"]["id"]
    for about in (EMAIL, other.email):
        sid = auth.tokens(about)["session"]["id"]
        operator.revoke(session=sid)
        sid = auth.tokens(about)["session"]["id"]
        done_json(runner, "sessions", "revoke", "--session", sid, "--reason", WHY, "--yes")
    admin = admin_roster(auth)
    assert admin.change(shift, user_id=other.id, reason="Anna is ill").status_code == 200
    assert kept in sql.scalars(select(AuditEvent.sid).filter_by(event="session:end_moved")).all()
    seal(trail)

    done_json(runner, "users", "erase", EMAIL, "--yes")
    seal(trail)

    assert "Anna is ill" not in everything(sql, "audit_events")
    told = sql.scalars(select(AuditEvent.detail).where(AuditEvent.event.like("revocation:%"))).all()
    said = {(each or {})["selection"]["user_id"]: "why" in (each or {}) for each in told}
    assert said == {erased.id: False, other.id: True}, "of nobody else anything is erased"
    assert sql.scalar(select(Session.address).where(Session.id == kept)) is not None
    assert trail.faults() == []


SERVES = "serves"


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_the_account_that_serves_cannot_erase_by_itself(
    make_app: MakeApp, auth: Auth, store: str, postgres: PostgresServer, sql: Sql
) -> None:
    postgres.execute(
        f"DO $$ BEGIN CREATE ROLE {SERVES} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    every = "ALL TABLES IN SCHEMA public"
    postgres.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVES}", "store")
    postgres.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {SERVES}", "store")
    user = auth.create_user()
    auth.post("login", {"email": EMAIL, "password": user.password}, **FROM)
    serving = make_app(sqlalchemy_database_uri=store.replace("postgres@", f"{SERVES}@"))
    result = serving.test_cli_runner().invoke(args=["users", "erase", EMAIL, "--yes"])
    assert result.exit_code == 1
    assert "owns the tables" in result.stderr
    assert sql.scalars(select(User.disabled_at)).all() == [None]
    with serving.app_context():
        db.session.execute(
            insert(AuditEvent).values(
                recorded_at=clock.now(), event="user:erased", outcome="success", user_id=user.id
            )
        )
        with pytest.raises(ProgrammingError, match="only grows"):
            erase_events(db.session(), user.id)
        db.session.rollback()
    assert "198.51.100.77" in everything(sql, "audit_events")


def test_the_doctor_and_the_metrics_name_each_erasure(
    app: Flask, auth: Auth, runner: FlaskCliRunner
) -> None:
    user = auth.create_user()

    def told() -> tuple[str, str]:
        checks = json.loads(runner.invoke(args=["doctor", "--json"]).stdout)["checks"]
        (found,) = (each for each in checks if each["check"] == "audit trail's erasures")
        text = app.test_client().get("/metrics").text
        (line,) = (line for line in text.splitlines() if line.startswith("carelink_audit_erasures"))
        return found["found"], line

    assert told() == ("none in 30 days", "carelink_audit_erasures 0.0")
    done_json(runner, "users", "erase", EMAIL, "--yes")
    found, line = told()
    assert found.startswith(f"1 in 30 days: user {user.id} (")
    assert line == "carelink_audit_erasures 1.0"
