"""The doctor's rules on the ring in force: where it lives, whether it opens, how old it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session as Sql

from ..auth import key_store
from ..auth.key_models import SigningKey
from ..auth.key_rules import KeyState
from ..auth.key_seal import KeySeal, NotSealedHere
from ..auth.keys import Key
from ..config import Settings
from ..database import from_epoch
from .doctor_keys import judge_length, shortest_rsa
from .findings import Finding, fine, unsafe, warn

OLD = timedelta(days=365)
_SHARED = "HS256"
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
    powerless: Sequence[str] = ()
    """Keys that are to sign, and of which only the public half is here."""
    old_secrets: Sequence[str] = ()
    """Secrets that hold beside a key pair that signs."""
    rsa_bits: int | None = None
    """Of the shortest RSA key."""


def look_at_ring(sql: Sql, settings: Settings, now: datetime) -> RingFacts:
    """Ask the database. Raises SQLAlchemyError."""
    rows = [row for row in key_store.all_keys(sql) if row.state is not KeyState.GONE]
    seal = KeySeal.from_settings(settings)
    opened = {row.kid: _opened(seal, row) for row in rows}
    keys = {kid: key for kid, key in opened.items() if key is not None}
    stopped = [row for row in rows if row.state is KeyState.VERIFYING]
    to_sign = [row for row in rows if row.state is KeyState.SIGNING]
    signs = [row for row in to_sign if row.kid in keys and keys[row.kid].signing is not None]
    by_pair = any(row.algorithm != _SHARED for row in signs)
    return RingFacts(
        [row.state for row in rows],
        [kid for kid, key in opened.items() if key is None],
        [row.kid for row in stopped if key_store.farewell(sql, settings, row, now).is_safe(now)],
        to_sign[0].promoted_at if to_sign else None,
        [row.kid for row in to_sign if row.kid in keys and row not in signs],
        [row.kid for row in rows if by_pair and row.algorithm == _SHARED and row not in signs],
        shortest_rsa(keys.values()),
    )


def _opened(seal: KeySeal, row: SigningKey) -> Key | None:
    try:
        return seal.open(row.kid, row.algorithm, row.sealed or b"")
    except NotSealedHere:
        return None


def check_ring(settings: Settings, facts: RingFacts, now: datetime) -> list[Finding]:
    """Return the findings on the ring in force."""
    if not facts.states:
        found = fine("ring", "by the settings; `flask keys add` moves it into the database")
        return [found, _age(_file_time(settings), now)]
    return [
        _where(settings, facts),
        _seals(facts),
        _power(facts),
        judge_length("length of keys", facts.rsa_bits),
        _secrets(facts),
        _age(facts.signs_since, now),
        _leftovers(facts),
    ]


def _where(settings: Settings, facts: RingFacts) -> Finding:
    listed = facts.states.count(KeyState.LISTED)
    verifying = facts.states.count(KeyState.VERIFYING)
    signing = facts.states.count(KeyState.SIGNING) - len(facts.powerless)
    found = f"in the database: {signing} signs, {verifying} have signed, {listed} are listed"
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


def _power(facts: RingFacts) -> Finding:
    name = "key that signs"
    if not facts.powerless and facts.states.count(KeyState.SIGNING) == 1:
        return fine(name, "here, with its private half")
    told = "More than one row, or none, says that its key signs."
    if facts.powerless:
        told = f"Of {', '.join(facts.powerless)}, which is to sign, only the public half is here."
    return unsafe(
        name,
        told,
        "CareLink writes no such row: somebody else has. Workers sign with the former key for as "
        "long as they run and it verifies; those that start later answer logins with 503.",
        "Run `flask --app wsgi keys promote KID` with a key that can sign, and find out who writes "
        "to the table signing_keys.",
    )


def _secrets(facts: RingFacts) -> Finding:
    name = "old secrets"
    if not facts.old_secrets:
        return fine(name, "none beside a key pair")
    return warn(
        name,
        f"{', '.join(facts.old_secrets)} admits tokens that a shared secret has signed.",
        "Whoever has it still makes tokens for any user, which the key pair was to end.",
        "Run `flask --app wsgi keys retire KID` as soon as `keys list` says that it may go.",
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
