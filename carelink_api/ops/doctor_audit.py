"""The doctor's rules on the audit trail: what keeps it from being changed."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session as Sql

from ..config import Settings
from .findings import Finding, fine, unsafe_in_production, warn

_ACTS = {"sqlite": ("update", "delete"), "postgresql": ("update", "delete", "truncate")}
_TABLES = ("audit_events", "audited_patients", "audit_blocks", "audit_checkpoints")
_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE tgenabled IN ('O', 'A') AND relname = ANY (:tables)",
}
_MAY_SWITCH_OFF = text(
    "SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class"
    " WHERE oid = to_regclass('audit_events')"
)


@dataclass(frozen=True)
class TrailFacts:
    """What guards the trail's tables."""

    unguarded: list[str]
    """Triggers that are not there, or switched off."""
    owned: bool | None = False
    """Whether who serves owns the tables, and could switch the triggers off; None: no accounts."""


def look_at_trail(sql: Sql) -> TrailFacts:
    """Ask the database. Raises SQLAlchemyError."""
    dialect = sql.get_bind().dialect.name
    given = {"tables": list(_TABLES)} if dialect == "postgresql" else {}
    there = set(sql.scalars(text(_TRIGGERS[dialect]), given))
    wanted = [f"{table}_no_{act}" for table in _TABLES for act in _ACTS[dialect]]
    unguarded = [name for name in wanted if name not in there]
    owned = bool(sql.scalar(_MAY_SWITCH_OFF)) if dialect == "postgresql" else None
    return TrailFacts(unguarded, owned)


def check_trail(settings: Settings, facts: TrailFacts) -> list[Finding]:
    """Return the findings on the trail of a migrated database."""
    return [_guards(settings, facts), _owner(settings, facts)]


def _guards(settings: Settings, facts: TrailFacts) -> Finding:
    if not facts.unguarded:
        return fine("audit trail", "refuses changes")
    return unsafe_in_production(
        settings,
        "audit trail",
        f"Triggers are missing or switched off: {', '.join(facts.unguarded)}.",
        "Events can be changed and removed by whoever serves (ASVS 16.4.2).",
        "Find out who did it and when; `flask --app wsgi audit verify` tells what was changed. "
        "Then ALTER TABLE … ENABLE TRIGGER ALL, or make them as the migration 0008 does.",
    )


def _owner(settings: Settings, facts: TrailFacts) -> Finding:
    if facts.owned is None:
        return fine("audit trail's owner", "whoever may write the SQLite file")
    if not facts.owned or not settings.is_production:
        return fine("audit trail's owner", "this account" if facts.owned else "another account")
    return warn(
        "audit trail's owner",
        "CareLink serves as the account that owns its tables.",
        "A hole in the application could switch off what guards the trail (ASVS 16.4.2).",
        "Serve as an account that may only read and write rows: docs/operations.md, The audit "
        "trail.",
    )
