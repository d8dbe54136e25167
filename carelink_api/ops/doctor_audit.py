"""The doctor's rules on the audit trail: what keeps it from being changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session as Sql

from ..audit.erasing import erasures_since, owns_the_trail
from ..audit.guards import missing_guards
from ..audit.nightly import found_of_late, last_passes
from ..audit.unsealed import late_after, oldest_unsealed
from ..config import Settings
from ..housekeeping.schedule import VERIFIED_WITHIN
from .findings import Finding, fine, unsafe_in_production, warn

ERASURES_NAMED_FOR = timedelta(days=30)


@dataclass(frozen=True)
class TrailFacts:
    """What guards the trail's tables."""

    unguarded: list[str]
    """Triggers that are not there, or switched off."""
    owned: bool | None = False
    """Whether who serves owns the tables, and could switch the triggers off; None: no accounts."""
    unsealed_since: datetime | None = None
    """When the oldest event that waits for its seal was written."""
    erasures: Sequence[tuple[datetime, int]] = ()
    """When, and of which users, events were erased of late."""
    verified: Mapping[bool, Mapping[str, Any]] = field(default_factory=dict)
    """The last verification, and by True the last whole one."""
    found: int = 0
    """What verifications have found of late."""


def look_at_trail(sql: Sql, now: datetime) -> TrailFacts:
    """Ask the database. Raises SQLAlchemyError."""
    erased = erasures_since(sql, now - ERASURES_NAMED_FOR)
    return TrailFacts(
        missing_guards(sql),
        owns_the_trail(sql),
        oldest_unsealed(sql),
        erased,
        last_passes(sql),
        found_of_late(sql),
    )


def check_trail(settings: Settings, facts: TrailFacts, now: datetime) -> list[Finding]:
    """Return the findings on the trail of a migrated database."""
    return [
        _guards(settings, facts),
        _owner(settings, facts),
        _seal(settings, facts, now),
        _erasures(facts),
        _verified(settings, facts, now),
    ]


def _verified(settings: Settings, facts: TrailFacts, now: datetime) -> Finding:
    name, mend = "audit trail's verification", "`flask --app wsgi audit verify` says all of it."
    if facts.found:
        return unsafe_in_production(
            settings,
            name,
            f"{facts.found} found; the first of it: {_first_fault(facts)}",
            "Somebody may have changed the trail, or whoever serves it has lost a key.",
            mend,
        )
    last, whole = facts.verified.get(False), facts.verified.get(True)
    if last is None or last["finished_at"] < now - VERIFIED_WITHIN:
        since = f"since {last['finished_at']:%Y-%m-%d %H:%M}Z" if last else "yet"
        return warn(
            name,
            f"None has come to its end {since}.",
            "What is changed in the trail now is found later.",
            f"See that the housekeeper runs, and what its log says of `verify`. {mend}",
        )
    said = f"{whole['finished_at']:%Y-%m-%d %H:%M}Z, {whole['events']} events" if whole else "never"
    return fine(name, f"{last['finished_at']:%Y-%m-%d %H:%M}Z; all of it: {said}")


def _first_fault(facts: TrailFacts) -> str:
    for each in (facts.verified.get(False), facts.verified.get(True)):
        if each and each["faults"]:
            return str(each["faults"][0]["says"])
    return "of one that is under way."


def _erasures(facts: TrailFacts) -> Finding:
    name = "audit trail's erasures"
    if not facts.erasures:
        return fine(name, f"none in {ERASURES_NAMED_FOR.days} days")
    told = ", ".join(f"user {who} ({at:%Y-%m-%d %H:%M}Z)" for at, who in facts.erasures[:20])
    return warn(
        name,
        f"{len(facts.erasures)} in {ERASURES_NAMED_FOR.days} days: {told}.",
        "Addresses and reasons are gone from these users' events, and nobody brings them back.",
        "See that each was asked for by its person and approved; if one was not, somebody has "
        "washed out traces.",
    )


def _seal(settings: Settings, facts: TrailFacts, now: datetime) -> Finding:
    since, name = facts.unsealed_since, "audit trail's seal"
    if since is None or since >= now - late_after(settings.audit_seal_interval):
        return fine(name, "up to date")
    return unsafe_in_production(
        settings,
        name,
        f"Events have waited for it since {since:%Y-%m-%d %H:%M}Z.",
        "Until they are sealed, who owns the tables can change them unseen; and whoever can write "
        "rows may have kept them from being sealed.",
        "See that the housekeeper runs, and what its log says of `seal`; then `flask --app wsgi "
        "audit verify`.",
    )


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
