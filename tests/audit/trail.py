"""A sealed trail to attack: events, whose data they were about, blocks and checkpoints."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import insert, text, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.chain import BLOCK_EVENTS
from carelink_api.audit.checkpoints import Notary, read_lines
from carelink_api.audit.faults import Report
from carelink_api.audit.keys import AuditKeys
from carelink_api.audit.models import AuditedPatient, AuditEvent
from carelink_api.audit.sealing import Sealer
from carelink_api.audit.verifying import Verifier
from carelink_api.housekeeping.models import ChoreRow
from carelink_api.housekeeping.schedule import Chore

SECOND = timedelta(seconds=1)


class Trail:
    """The trail of one application, as its housekeeper and its auditor see it."""

    def __init__(self, app: Flask, sql: Sql, outside: Path) -> None:
        self.sql, self.outside = sql, outside
        self.keys = AuditKeys.from_settings(app.extensions["carelink.settings"])
        self.at = clock.now() - timedelta(days=1)
        self._next_id = 1

    def write(self, count: int, **columns: Any) -> None:
        """Write events, one a second."""
        rows = [self._event(self._next_id + i) | columns for i in range(count)]
        self._next_id += count
        self.sql.execute(insert(AuditEvent), rows)
        about = [{"patient_id": 7, "event_id": row["id"]} for row in rows if row["id"] % 3 == 0]
        if about:
            self.sql.execute(insert(AuditedPatient), about)
        if self.sql.get_bind().dialect.name == "postgresql":  # the application writes on after them
            sequence = "pg_get_serial_sequence('audit_events', 'id')"
            self.sql.execute(text(f"SELECT setval({sequence}, {self._next_id - 1})"))
        self.sql.commit()

    def _event(self, number: int) -> dict[str, Any]:
        self.at += SECOND
        return {
            "id": number, "recorded_at": self.at, "event": "patient:read", "outcome": "success",
            "reason": "reason", "actor": f"user:{number % 5 + 1}", "user_id": number % 5 + 1,
            "sid": f"sid-{number}", "jti": f"jti-{number}", "request_id": f"request-{number}",
            "address": "192.0.2.4", "route": "/api/patients/<id>/", "role": "nurse",
            "detail": {"basis": "unit", "why": f"because {number}", "weight": 2.0},
        }  # fmt: skip

    def seal(self, keys: AuditKeys | None = None, at: datetime | None = None) -> int:
        """Seal all that there is, and sign."""
        sealer = Sealer(keys or self.keys)
        sealed = 0
        while count := sealer.seal_block(self.sql, at or self.at):
            sealed += count
        self.sign(keys, at)
        return sealed

    def sign(self, keys: AuditKeys | None = None, at: datetime | None = None) -> None:
        notary = Notary(keys or self.keys, SECOND, str(self.outside), tell=lambda _: None)
        notary.round(self.sql, at or self.at)
        self.sql.rollback()

    def grow(self, *sizes: int) -> None:
        """Write and seal, one block after another."""
        for size in sizes:
            assert size <= BLOCK_EVENTS
            self.write(size)
            assert self.seal() == size

    def verify(self, *, outside: bool = True, keys: AuditKeys | None = None) -> Report:
        self.sql.rollback()
        self.sql.expire_all()
        published = list(read_lines(self.outside)) if outside else []
        return Verifier(self.sql, keys or self.keys, lambda _: None).run(published)

    def faults(self, **options: Any) -> list[tuple[str, int | None]]:
        """Return every fault, and the seq that it names."""
        return [(str(found.fault), found.seq) for found in self.verify(**options).faults]

    def attack(self, *statements: str) -> None:
        """Do what the owner of the tables can do: nothing guards them."""
        with Unguarded(self.sql):
            for statement in statements:
                self.sql.execute(text(statement))
            self.sql.commit()


def verified_just_now(sql: Sql) -> None:
    """Let no housekeeper verify for a day: a test counts events, and verifying leaves one."""
    now = {"started_at": clock.now(), "succeeded_at": clock.now()}
    sql.execute(update(ChoreRow).where(ChoreRow.name == Chore.VERIFY).values(**now))
    sql.commit()


class Unguarded:
    """The tables without their triggers, which come back afterwards."""

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.sqlite = sql.get_bind().dialect.name == "sqlite"
        self._triggers: list[str] = []

    def __enter__(self) -> None:
        self.sql.rollback()
        if not self.sqlite:
            self.sql.execute(text("SET session_replication_role = replica"))
            return
        found = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'"
        self._triggers = list(self.sql.scalars(text(found)))
        for trigger in self._triggers:
            name = re.split(r"\s+", trigger)[2]
            self.sql.execute(text(f"DROP TRIGGER {name}"))
        self.sql.commit()

    def __exit__(self, *_: object) -> None:
        self.sql.rollback()
        for trigger in self._triggers:
            self.sql.execute(text(trigger))
        if not self.sqlite:
            self.sql.execute(text("SET session_replication_role = origin"))
        self.sql.commit()
