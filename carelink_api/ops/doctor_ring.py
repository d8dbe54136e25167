"""The doctor's rules on the ring in force: where it lives, whether it opens, how old it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session as Sql

from ..auth import key_store
from ..auth.key_rules import KeyState
from ..auth.key_seal import KeySeal, NotSealedHere
from ..config import Settings
from ..database import from_epoch
from .findings import Finding, fine, unsafe, warn

OLD = timedelta(days=365)
_CHANGE = "Change it: docs/operations.md, Keys. Nobody is logged out."


@dataclass(frozen=True)
class RingFacts:
    """What the rows say; empty where settings say it."""

    states: Sequence[KeyState]
    unopened: Sequence[str]
    """Keys that hold and that the settings' secrets do not open."""
    to_retire: Sequence[str]
    """Keys of which no token can be alive."""
    signs_since: datetime | None


def look_at_ring(sql: Sql, settings: Settings, now: datetime) -> RingFacts:
    """Ask the database. Raises SQLAlchemyError."""
    rows = [row for row in key_store.all_keys(sql) if row.state is not KeyState.GONE]
    seal = KeySeal.from_settings(settings)
    stopped = [row for row in rows if row.state is KeyState.VERIFYING]
    signing = next((row for row in rows if row.state is KeyState.SIGNING), None)
    return RingFacts(
        [row.state for row in rows],
        [row.kid for row in rows if not _opens(seal, row.kid, row.algorithm, row.sealed)],
        [row.kid for row in stopped if key_store.farewell(sql, settings, row, now).is_safe(now)],
        signing.promoted_at if signing else None,
    )


def _opens(seal: KeySeal, kid: str, algorithm: str, sealed: bytes | None) -> bool:
    try:
        seal.open(kid, algorithm, sealed or b"")
    except NotSealedHere:
        return False
    return True


def check_ring(settings: Settings, facts: RingFacts, now: datetime) -> list[Finding]:
    """Return the findings on the ring in force."""
    if not facts.states:
        found = fine("ring", "by the settings; `flask keys add` moves it into the database")
        return [found, _age(_file_time(settings), now)]
    return [_where(settings, facts), _seals(facts), _age(facts.signs_since, now), _leftovers(facts)]


def _where(settings: Settings, facts: RingFacts) -> Finding:
    listed = facts.states.count(KeyState.LISTED)
    verifying = facts.states.count(KeyState.VERIFYING)
    found = f"in the database: 1 signs, {verifying} have signed, {listed} are listed"
    idle = settings.jwt_signing_key.get_secret_value() or settings.jwt_verifying_keys
    if not idle:
        return fine("ring", found)
    return warn(
        "ring",
        f"{found}; keys in the settings count no more.",
        "Whoever reads the settings believes that they hold; a private key lies about unused.",
        "Remove CARELINK_JWT_ALGORITHM, CARELINK_JWT_SIGNING_KEY and CARELINK_JWT_VERIFYING_KEYS, "
        "and the files that they name.",
    )


def _seals(facts: RingFacts) -> Finding:
    if not facts.unopened:
        return fine("seals of keys", "open")
    return unsafe(
        "seals of keys",
        f"The secrets of the settings do not open {', '.join(facts.unopened)}.",
        "No server starts with them, and tokens of these keys are answered 503.",
        "Set the CARELINK_JWT_SECRET_KEY that sealed them, or run `flask --app wsgi keys rewrap "
        "--old-secret-file FILE`.",
    )


def _age(since: datetime | None, now: datetime) -> Finding:
    name = "age of the signing key"
    if since is None:
        return fine(name, "not known: settings do not tell")
    days = (now - since).days
    if now - since <= OLD:
        return fine(name, f"{days} days")
    return warn(
        name,
        f"{days} days.",
        "The longer a key signs, the more people and backups have had it (ASVS 11.1.1, 13.3.4).",
        _CHANGE,
    )


def _leftovers(facts: RingFacts) -> Finding:
    if not facts.to_retire:
        return fine("keys to retire", "none")
    return warn(
        "keys to retire",
        f"No token of {', '.join(facts.to_retire)} can be alive.",
        "Whoever has such a key still makes tokens for any user.",
        "Run `flask --app wsgi keys retire KID`.",
    )


def _file_time(settings: Settings) -> datetime | None:
    """Return since when the key's file is what it is; None for a secret, or a key's text."""
    given = settings.jwt_signing_key.get_secret_value()
    if settings.jwt_algorithm == "HS256" or not given or given.lstrip().startswith("-----"):
        return None
    try:
        return from_epoch(Path(given).stat().st_mtime)
    except OSError:  # `check_keys` says so
        return None
