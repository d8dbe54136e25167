"""What readiness looks at, and the rule by which a worker is ready."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from math import isfinite
from typing import Any, cast

import structlog
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..auth.key_reading import EXTENSION as KEYS
from ..auth.key_reading import RingKeeper
from ..extensions import settings
from ..housekeeping.ledger import read_late
from ..redis_client import STORE_ERRORS, Client
from ..sessions.runtime import Runtime
from .redis_facts import Facts, nodes
from .store_clocks import ClockCheck, check_clocks

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DatabaseCheck:
    ok: bool
    migrated: bool
    """Whether it is at the newest migration that this code knows."""


@dataclass(frozen=True)
class RedisCheck:
    ok: bool
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PulseCheck:
    ok: bool
    age_seconds: float | None
    """None before the first look into SQL."""
    size: int


@dataclass(frozen=True)
class MessagesCheck:
    """Whether this worker answers from memory, and hears of ended sessions, as that wants.

    It decides nothing: a worker that hears nothing asks Redis every time.
    """

    wanted: bool = False
    heard: bool = False


@dataclass(frozen=True)
class KeysCheck:
    """Whether this worker has read which keys hold, can open them, and sign with the one that is
    to sign.
    """

    ok: bool = True
    unreadable: int = 0
    powerless: int = 0
    """Keys that are to sign, and of which only the public half is here."""


@dataclass(frozen=True)
class HousekeeperCheck:
    ok: bool = True
    late: list[str] = field(default_factory=list)
    """Chores that nobody has done for too long."""


@dataclass(frozen=True)
class Readiness:
    database: DatabaseCheck
    redis: RedisCheck
    pulse: PulseCheck
    messages: MessagesCheck = field(default_factory=MessagesCheck)
    clocks: ClockCheck = field(default_factory=ClockCheck)
    keys: KeysCheck = field(default_factory=KeysCheck)
    housekeeper: HousekeeperCheck = field(default_factory=HousekeeperCheck)

    @property
    def status(self) -> str:
        """Return `ready`, `degraded` (serves, but look at it) or `unavailable`.

        Redis alone does not decide: while the pulse beats, every revocation holds without it, and
        taking all workers out of service would be the outage that the design avoids.
        """
        denylist_known = self.redis.ok or self.pulse.ok
        if not (self.database.ok and self.database.migrated and denylist_known):
            return "unavailable"
        parts = (self.redis, self.pulse, self.clocks, self.keys, self.housekeeper)
        return "ready" if all(part.ok for part in parts) else "degraded"

    def as_json(self) -> dict[str, Any]:
        return {"status": self.status, "checks": asdict(self)}


def look(sql: Sql, parts: Runtime) -> Readiness:
    """Ask each store now. What a store says when it fails goes to the log, never outside."""
    database = check_database(sql)
    kept = check_housekeeper(sql) if database.migrated else HousekeeperCheck(ok=False)
    return Readiness(
        database,
        check_redis(parts),
        check_pulse(parts),
        check_messages(parts),
        check_clocks(sql, parts.denylist.client, settings()),
        check_keys(),
        kept,
    )


def check_database(sql: Sql) -> DatabaseCheck:
    """Ask the database which migration it is at."""
    try:
        found = set(MigrationContext.configure(sql.connection()).get_current_heads())
    except SQLAlchemyError as error:
        log.warning("readiness_database", kind=type(error).__name__)
        return DatabaseCheck(ok=False, migrated=False)
    finally:
        sql.rollback()
    return DatabaseCheck(ok=True, migrated=found == newest_migrations())


def newest_migrations() -> frozenset[str]:
    """Return the heads of this code's migrations."""
    return _heads(current_app.extensions["migrate"].directory)


@cache
def _heads(directory: str) -> frozenset[str]:
    return frozenset(ScriptDirectory(directory).get_heads())


def check_redis(parts: Runtime) -> RedisCheck:
    """Ask Redis whether it is there, and whether it keeps what it is given."""
    if not parts.denylist.ping():
        return RedisCheck(ok=False)
    return RedisCheck(
        ok=True, warnings=redis_warnings(parts.denylist.client, settings().redis_attested)
    )


def redis_warnings(client: Client, attested: Sequence[str] = ()) -> list[str]:
    """Return a sentence for each setting, of any node, that differs from the documented ones.

    By INFO, which a managed server allows where it forbids CONFIG. What it does not tell,
    `attested` may (CARELINK_REDIS_ATTESTED).
    """
    try:
        found = nodes(client)
    except STORE_ERRORS as error:
        log.warning("readiness_redis", kind=type(error).__name__)
        return ["It does not tell its settings."]
    return [
        sentence if len(found) == 1 else f"{name}: {sentence}"
        for name, facts in found.items()
        for sentence in _node_warnings(facts, attested)
    ]


def _node_warnings(facts: Facts, attested: Sequence[str]) -> Iterator[str]:
    policy = facts.get("maxmemory_policy", "noeviction" if "noeviction" in attested else None)
    if policy != "noeviction":
        yield "Set maxmemory-policy to noeviction: it may drop revocations when full."
    if not facts.get("aof_enabled", "appendonly" in attested):
        yield "Set appendonly to yes: it forgets revocations when it restarts."


def check_keys() -> KeysCheck:
    """Return whether this worker knows the keys that hold."""
    keeper = cast(RingKeeper, current_app.extensions[KEYS])
    bad = keeper.unreadable | keeper.powerless
    return KeysCheck(keeper.has_read and not bad, len(keeper.unreadable), len(keeper.powerless))


def check_housekeeper(sql: Sql) -> HousekeeperCheck:
    """Ask which chores are late, whichever housekeeper was to do them."""
    try:
        late = read_late(sql, settings(), clock.now())
    except SQLAlchemyError as error:
        log.warning("readiness_housekeeper", kind=type(error).__name__)
        return HousekeeperCheck(ok=False)
    finally:
        sql.rollback()
    return HousekeeperCheck(ok=not late, late=[str(chore) for chore in late])


def check_pulse(parts: Runtime) -> PulseCheck:
    """Return how old this worker's last look into SQL is."""
    age = parts.pulse.age_seconds()
    known_age = round(age, 3) if isfinite(age) else None
    return PulseCheck(parts.pulse.is_fresh(), known_age, parts.pulse.size)


def check_messages(parts: Runtime) -> MessagesCheck:
    """Return whether this worker hears the channel on which ends of sessions are announced."""
    hearing = parts.hearing
    return MessagesCheck(hearing is not None, hearing is not None and hearing.hears())
