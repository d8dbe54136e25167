"""The triggers that guard the trail: whether they are there, and an event when they are not.

Turning the log's guard off takes the tables' owner; that it was off is itself on record
(45 CFR 170.315(d)(2)(i)(B)).
"""

from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session as Sql

from ..database import writing
from .events import Event, Outcome
from .record import record

log = structlog.get_logger(__name__)

_ACTS = {"sqlite": ("update", "delete"), "postgresql": ("update", "delete", "truncate")}
_TABLES = ("audit_events", "audited_patients", "audit_blocks", "audit_checkpoints", "audit_purges",
           "audit_reviews")  # fmt: skip
_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE tgenabled IN ('O', 'A') AND relname = ANY (:tables)",
}


def missing_guards(sql: Sql) -> list[str]:
    """Return the triggers that are not there, or switched off."""
    dialect = sql.get_bind().dialect.name
    given = {"tables": list(_TABLES)} if dialect == "postgresql" else {}
    there = set(sql.scalars(text(_TRIGGERS[dialect]), given))
    wanted = [f"{table}_no_{act}" for table in _TABLES for act in _ACTS[dialect]]
    return [name for name in wanted if name not in there]


class Watchman:
    """Looks whether the guards are there, and records when one goes or comes back."""

    def __init__(self, actor: str) -> None:
        self._actor = actor
        self._missing: list[str] = []

    def look(self, sql: Sql, now: datetime) -> None:
        """Record what has changed since the last look. Raises SQLAlchemyError."""
        missing = missing_guards(sql)
        if missing == self._missing:
            return
        event = Event.AUDIT_UNGUARDED if missing else Event.AUDIT_GUARDED
        outcome = Outcome.ALERT if missing else Outcome.SUCCESS
        with writing(sql):
            record(sql, event, now=now, outcome=outcome, actor=self._actor, missing=missing)
        log.error("audit_guards_changed", missing=missing)
        self._missing = missing
