"""The doctor's rules on what SQL and Redis tell about themselves: pure functions on facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..config import Settings
from ..database_clock import ClockReading
from ..housekeeping.schedule import Chore
from .findings import Finding, fine, unsafe, unsafe_in_production, warn
from .redis_facts import Facts, product

_ATTESTED = "by the word of CARELINK_REDIS_ATTESTED; it does not tell itself"
_ATTEST = " A managed server does not tell: look there, and list it in CARELINK_REDIS_ATTESTED."
LEAST_VERSION = {"Redis": (6, 2), "Valkey": (7, 2)}
SKEW_SEEN = timedelta(seconds=2)


@dataclass(frozen=True)
class DatabaseFacts:
    """What a database that answers tells about itself."""

    dialect: str
    migrated: bool
    is_superuser: bool = False
    is_replica: bool = False
    plain_network: bool = False
    """Reached over a network, not on the loopback, without TLS."""


def database_silent() -> Finding:
    return unsafe(
        "database",
        "It does not answer.",
        "Nobody can log in or refresh, and no worker learns of ended sessions.",
        "See that it runs and that CARELINK_SQLALCHEMY_DATABASE_URI names it.",
    )


def check_database(settings: Settings, facts: DatabaseFacts) -> list[Finding]:
    """Return the findings on a database that answers."""
    return [
        _dialect(settings, facts),
        _migration(facts),
        _primary(facts),
        _role(settings, facts),
        _transport(facts),
    ]


def is_beyond_leeway(settings: Settings, reading: ClockReading) -> bool:
    """Say whether a clock is so far off that tokens are misjudged."""
    return reading.skew > max(settings.leeway, SKEW_SEEN)


def check_clock(settings: Settings, server: str, reading: ClockReading) -> Finding:
    """Judge how far a server's clock and this machine's are apart."""
    name, skew = f"clock of {server}", reading.skew
    found = f"{skew.total_seconds():.1f} s off"
    mend = "Let NTP set the clocks of this machine and that server."
    if is_beyond_leeway(settings, reading):
        why = "Tokens are refused that are good, or taken that have expired; entries go too early."
        return unsafe(name, f"{found}, more than the leeway.", why, mend)
    if skew > SKEW_SEEN:
        return warn(name, f"{found}.", "The leeway of tokens is spent on it.", mend)
    return fine(name, found)


def check_housekeeper(late: Mapping[Chore, datetime | None]) -> Finding:
    """Judge by the chores that are late, and when each was done last."""
    if not late:
        return fine("housekeeper", "does its chores")
    told = (f"{name} ({f'{at:%Y-%m-%d %H:%M}Z' if at else 'never'})" for name, at in late.items())
    return warn(
        "housekeeper",
        f"Late, with when it was done last: {', '.join(told)}.",
        "Nobody expires sessions, writes to Redis what it has missed, or seals the audit trail.",
        "Run `flask --app wsgi housekeep`, always, once or more. If it runs, its log says what "
        "fails, or that its clock is off (`clock_off`).",
    )


def redis_silent(why_not: str) -> Finding:
    return unsafe(
        "Redis",
        why_not,
        "Revocations hold through SQL alone; a worker cut off from SQL too must refuse everybody.",
        "See that it runs and that CARELINK_REDIS_URL names it.",
    )


def check_redis(settings: Settings, node: str, facts: Facts) -> list[Finding]:
    """Return the findings on one server that answers."""
    checks = (_version, _policy, _append_only, _redis_role)
    return [check(settings, node, facts) for check in checks]


def check_messages(settings: Settings, hears_itself: bool) -> Finding:
    """Judge whether workers can tell one another which sessions have ended."""
    name = "messages between workers"
    if hears_itself:
        return fine(name, "heard")
    why = "Nothing is unsafe: workers ask Redis with every request, although they need not."
    if settings.denylist_check == "redis":
        why = "With CARELINK_DENYLIST_CHECK=memory workers would go on asking Redis."
    return warn(
        name,
        "This Redis account may not use the channel carelink:ended.",
        why,
        "Add &carelink:ended +publish +subscribe to its access list.",
    )


def _dialect(settings: Settings, facts: DatabaseFacts) -> Finding:
    if facts.dialect != "sqlite" or not settings.is_production:
        return fine("database", f"{facts.dialect} answers")
    return warn(
        "database",
        "SQLite in production.",
        "It serves the workers of one machine; more of them, or a second copy, need a server.",
        "Use PostgreSQL: postgresql://user:password@host/carelink",
    )


def _migration(facts: DatabaseFacts) -> Finding:
    if facts.migrated:
        return fine("migrations", "at the newest")
    return unsafe(
        "migrations",
        "The database is not at the newest migration.",
        "The code reads and writes columns that may not be there.",
        "Run `flask --app wsgi db upgrade`.",
    )


def _primary(facts: DatabaseFacts) -> Finding:
    if not facts.is_replica:
        return fine("database role", "primary")
    return unsafe(
        "database role",
        "It is a replica.",
        "Nothing can be written, and a lagging replica lets ended sessions in.",
        "Name the primary in CARELINK_SQLALCHEMY_DATABASE_URI.",
    )


def _role(settings: Settings, facts: DatabaseFacts) -> Finding:
    if not facts.is_superuser:
        return fine("database account", "no superuser")
    return unsafe_in_production(
        settings,
        "database account",
        "CareLink connects as a superuser.",
        "A hole in the application would open every database of that server, and could switch off "
        "what guards the audit trail (ASVS 13.2.2, 16.4.2).",
        "Make an account that owns this database only.",
    )


def _transport(facts: DatabaseFacts) -> Finding:
    if not facts.plain_network:
        return fine("way to the database", "on this machine, or TLS")
    return warn(
        "way to the database",
        "It is reached over the network without TLS.",
        "Patients' data and password hashes pass in the clear (ASVS 12.3.1).",
        "Add ?sslmode=verify-full to CARELINK_SQLALCHEMY_DATABASE_URI.",
    )


def _version(settings: Settings, node: str, facts: Facts) -> Finding:
    kind, version = product(facts)
    if _numbers(version) >= LEAST_VERSION[kind]:
        return fine(f"{node}: version", f"{kind} {version}")
    least = ".".join(str(part) for part in LEAST_VERSION[kind])
    return unsafe(
        f"{node}: version",
        f"{kind} {version}.",
        "It does not take entries that expire at a fixed time, so it holds no revocation.",
        f"Use {kind} {least} or newer.",
    )


def _policy(settings: Settings, node: str, facts: Facts) -> Finding:
    policy = facts.get("maxmemory_policy")
    if policy == "noeviction":
        return fine(f"{node}: maxmemory-policy", policy)
    if policy is None and "noeviction" in settings.redis_attested:
        return fine(f"{node}: maxmemory-policy", _ATTESTED)
    return unsafe_in_production(
        settings,
        f"{node}: maxmemory-policy",
        f"{policy or 'It does not tell.'}",
        "When it is full it drops revocations instead of refusing writes.",
        "Set maxmemory-policy to noeviction." + ("" if policy else _ATTEST),
    )


def _append_only(settings: Settings, node: str, facts: Facts) -> Finding:
    if facts.get("aof_enabled"):
        return fine(f"{node}: append-only file", "on")
    if "aof_enabled" not in facts and "appendonly" in settings.redis_attested:
        return fine(f"{node}: append-only file", _ATTESTED)
    return unsafe_in_production(
        settings,
        f"{node}: append-only file",
        "off" if "aof_enabled" in facts else "It does not tell.",
        "A restart forgets revocations, which then hold through SQL alone.",
        "Set appendonly to yes." + ("" if "aof_enabled" in facts else _ATTEST),
    )


def _redis_role(settings: Settings, node: str, facts: Facts) -> Finding:
    role = facts.get("role")
    if role == "master":
        return fine(f"{node}: role", "primary")
    return unsafe(
        f"{node}: role",
        f"{role or 'It does not tell.'}",
        "A replica takes no revocation, and a lagging one lets a revoked token in.",
        "Name the primary in CARELINK_REDIS_URL.",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
