"""Each event says as what somebody acted; events of before it did verify as ever."""

from pathlib import Path

from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.canonical import digest
from carelink_api.audit.models import AuditEvent
from tests.audit.trail import Trail
from tests.auth_helper import Auth


def test_logins_refreshes_and_requests_say_as_what_somebody_acts(auth: Auth, sql: Sql) -> None:
    auth.create_user("noor@admin.example", "admin")
    pair = auth.tokens("noor@admin.example")
    auth.refresh(pair["refresh"])
    auth.get("/api/accounts/", pair["access"])
    auth.get("/api/ops/numbers/", pair["access"])
    auth.logout(refresh=pair["refresh"])
    found = {row.event: row.role for row in sql.scalars(select(AuditEvent))}
    known = ("login:succeeded", "session:refreshed", "user:listed", "operation:refused")
    assert {name: found[name] for name in known} == dict.fromkeys(known, "admin")


def test_events_that_say_nothing_of_it_are_hashed_as_before(
    app: Flask, sql: Sql, tmp_path: Path
) -> None:
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.write(2, role=None)
    row = dict(sql.execute(select(AuditEvent.__table__)).mappings().first() or {})
    before = {name: value for name, value in row.items() if name != "role"}
    assert digest(row, ()) == digest(before, ())
    assert digest(row | {"role": "nurse"}, ()) != digest(row | {"role": "doctor"}, ())
    trail.seal()
    assert trail.faults() == []
    trail.attack("UPDATE audit_events SET role = 'doctor' WHERE id = 2")
    assert trail.faults() == [("altered", 2)]
    sql.execute(text("SELECT 1"))
