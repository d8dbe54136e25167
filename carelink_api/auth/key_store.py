"""Use cases on the ring in SQL: add, promote, retire and rewrap keys.

Each act takes the next key change first: its lock lets one act run at a time, and the pulse carries
the change to every worker.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import record
from ..config import Settings
from ..database import writing
from ..sessions.changes import take_key_change
from ..sessions.models import Session, live_at
from .key_models import SigningKey
from .key_rules import EVERY_WORKER_KNOWS, KeyState, may_go_from, may_sign_from
from .key_seal import KeySeal, NotSealedHere
from .key_settings import key_ring
from .keys import Key, KeyRing

SETTINGS, MADE, IMPORTED = "settings", "made", "imported"


class KeyRefused(Exception):
    """It is not done. The message is one sentence for the operator."""


@dataclass(frozen=True)
class Actor:
    """Who acts, and when."""

    name: str
    now: datetime


def all_keys(sql: Sql) -> Sequence[SigningKey]:
    """Return every key that has a row, oldest first, those that are gone too."""
    return sql.scalars(select(SigningKey).order_by(SigningKey.created_at, SigningKey.kid)).all()


def find(sql: Sql, kid: str) -> SigningKey:
    """Return a key that holds. Raises KeyRefused for one that is gone, or was never there."""
    row = sql.get(SigningKey, kid, populate_existing=True)
    if row is None:
        raise KeyRefused("There is no key of this name in the database; see `keys list`.")
    if row.state is KeyState.GONE:
        raise KeyRefused(f"{kid} is gone.")
    return row


def add(sql: Sql, settings: Settings, key: Key, source: str, by: Actor) -> Sequence[str]:
    """List a key, which verifies from now on; return the names of those taken over before it.

    The first key that is added brings the settings' ring along: nobody's token becomes foreign.
    Raises KeyRefused, UnsafeSettings.
    """
    seal = KeySeal.from_settings(settings)
    with writing(sql):
        take_key_change(sql)
        rows = {row.kid: row for row in all_keys(sql)}
        adopted = [] if rows else _adopt(sql, key_ring(settings), seal, by)
        if key.kid in rows:
            gone = rows[key.kid].state is KeyState.GONE
            raise KeyRefused(
                f"{key.kid} is gone and cannot come back." if gone else f"{key.kid} is listed."
            )
        if key.kid in adopted:
            raise KeyRefused(f"{key.kid} is in the ring already, by the settings.")
        _refuse_foreign_seal(rows.values(), seal)
        sql.add(_row(key, seal, source, by.now))
        _audit(sql, Event.KEY_ADDED, by, kid=key.kid, algorithm=key.algorithm, source=source)
    return adopted


def _adopt(sql: Sql, ring: KeyRing, seal: KeySeal, by: Actor) -> list[str]:
    for key in ring:
        row = _row(key, seal, SETTINGS, by.now)
        row.promoted_at = by.now  # or before: any of them may have signed
        row.stopped_at = None if key is ring.signing else by.now
        sql.add(row)
        _audit(sql, Event.KEY_ADDED, by, kid=key.kid, algorithm=key.algorithm, source=SETTINGS)
    return [key.kid for key in ring]


def _row(key: Key, seal: KeySeal, source: str, now: datetime) -> SigningKey:
    return SigningKey(
        kid=key.kid,
        algorithm=key.algorithm,
        source=source,
        sealed=seal.seal(key),
        created_at=now,
    )


def signs_from(row: SigningKey) -> datetime:
    """Return from when everybody who verifies knows the key."""
    return may_sign_from(row.created_at, published=row.algorithm != "HS256")


def promote(sql: Sql, settings: Settings, kid: str, by: Actor, *, at_once: bool) -> str:
    """Let a listed key sign from now on; return the name of the one that did. Raises KeyRefused.

    `at_once` does not wait for other services, only for our own workers. Rows that somebody has
    made to sign beside it, or none that does, are set right by this.
    """
    with writing(sql):
        take_key_change(sql)
        row = find(sql, kid)
        signing = [each for each in all_keys(sql) if each.state is KeyState.SIGNING]
        if signing == [row]:
            raise KeyRefused(f"{kid} signs already.")
        _refuse_early(row, by.now, at_once=at_once)
        if _opened(row, KeySeal.from_settings(settings)).signing is None:
            raise KeyRefused(f"Of {kid} only the public half is here, which cannot sign.")
        for each in signing:
            each.stopped_at = by.now
        row.promoted_at, row.stopped_at = row.promoted_at or by.now, None
        former = ", ".join(each.kid for each in signing if each is not row) or "none"
        _audit(sql, Event.KEY_PROMOTED, by, kid=kid, former=former, at_once=at_once)
        return former


def _refuse_early(row: SigningKey, now: datetime, *, at_once: bool) -> None:
    known_at = row.created_at + EVERY_WORKER_KNOWS if at_once else signs_from(row)
    if now < known_at:
        hurry = "" if at_once else ", or add --now: services that read the JWKS may not know it yet"
        raise KeyRefused(f"Everybody knows {row.kid} from {shown(known_at)} on; wait{hurry}.")


@dataclass(frozen=True)
class Farewell:
    """What it means to retire a key now."""

    free_at: datetime | None
    """From when no token of it can be alive; None for a key that has never signed."""
    holders: int
    """Live sessions whose refresh token it may have signed: they are logged out."""

    def is_safe(self, now: datetime) -> bool:
        return not self.holders and (self.free_at is None or now >= self.free_at)


def farewell(sql: Sql, settings: Settings, row: SigningKey, now: datetime) -> Farewell:
    """Say what it means to retire a key now. Raises KeyRefused for one that may not go at all."""
    if row.state is KeyState.SIGNING:
        raise KeyRefused(f"{row.kid} signs: promote another key first.")
    if row.stopped_at is None:
        return Farewell(None, 0)
    profiles = settings.session_profiles.by_name().values()
    longest = max(profile.absolute for profile in profiles)
    free_at = may_go_from(row.stopped_at, longest=longest, leeway=settings.leeway)
    return Farewell(free_at, _count_holders(sql, row, row.stopped_at, now))


def _count_holders(sql: Sql, row: SigningKey, stopped_at: datetime, now: datetime) -> int:
    """Count by when each session's refresh token was made: a few too many, never too few."""
    made = [Session.refresh_issued_at <= stopped_at + EVERY_WORKER_KNOWS]
    if row.source != SETTINGS and row.promoted_at is not None:
        made.append(Session.refresh_issued_at >= row.promoted_at.replace(microsecond=0))
    query = select(func.count()).select_from(Session).where(*live_at(now), *made)
    return sql.scalar(query) or 0


def retire(sql: Sql, settings: Settings, kid: str, by: Actor, *, at_once: bool) -> Farewell:
    """Let a key go: no token of it is good any more, and what was sealed is erased.

    Refused while a token of it can be alive, unless `at_once`. Raises KeyRefused.
    """
    with writing(sql):
        take_key_change(sql)
        row = find(sql, kid)
        parting = farewell(sql, settings, row, by.now)
        if not at_once and not parting.is_safe(by.now):
            raise KeyRefused(_still_needed(kid, parting, by.now))
        row.retired_at, row.sealed = by.now, None
        _audit(sql, Event.KEY_RETIRED, by, kid=kid, at_once=at_once, sessions=parting.holders)
    return parting


def _still_needed(kid: str, parting: Farewell, now: datetime) -> str:
    if parting.free_at is not None and now < parting.free_at:
        until = f"until {shown(parting.free_at)}"
    else:
        until = f"in {parting.holders} sessions"
    return f"Tokens that {kid} has signed can be alive {until}; wait, or add --now to log them out."


def rewrap(sql: Sql, settings: Settings, old_secrets: Sequence[str], by: Actor) -> int:
    """Seal every key by the present secret; return how many. All of them, or none.

    Raises KeyRefused for a key that neither the settings' secrets nor `old_secrets` open.
    """
    present = KeySeal.from_settings(settings)
    opening = KeySeal((*settings.jwt_secrets, *old_secrets))
    with writing(sql):
        take_key_change(sql)
        rows = [row for row in all_keys(sql) if row.sealed is not None]
        for row in rows:
            row.sealed = present.seal(_opened(row, opening))
        _audit(sql, Event.KEYS_REWRAPPED, by, keys=len(rows))
    return len(rows)


def _opened(row: SigningKey, seal: KeySeal) -> Key:
    try:
        return seal.open(row.kid, row.algorithm, row.sealed or b"")
    except NotSealedHere:
        raise KeyRefused(
            f"No secret here opens {row.kid}: set the CARELINK_JWT_SECRET_KEY that sealed it, or "
            "give it to `keys rewrap --old-secret-file`."
        ) from None


def _refuse_foreign_seal(rows: Iterable[SigningKey], seal: KeySeal) -> None:
    """Add nothing under a secret that the workers do not have."""
    for row in rows:
        if row.sealed is not None:
            _opened(row, seal)


def _audit(sql: Sql, event: Event, by: Actor, **detail: str | int | bool) -> None:
    sql.flush()
    facts: dict[str, Any] = detail
    record(sql, event, now=by.now, actor=by.name, **facts)


def shown(moment: datetime) -> str:
    """Return a time as an operator reads it."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
