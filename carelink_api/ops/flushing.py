"""Drop the denylist's entries from Redis without letting anybody in.

Every worker refuses ended sessions from SQL, so their entries may go. An entry whose session SQL
does not hold as ended stays: Redis alone refuses it (a database restored from a backup).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import record
from ..database import one_of, writing
from ..sessions.denylist import BATCH, Denylist, is_sid, parse_key
from ..sessions.models import Session


@dataclass(frozen=True)
class Held:
    """How many entries Redis holds."""

    sessions: int = 0
    tokens: int = 0

    @property
    def total(self) -> int:
        return self.sessions + self.tokens


@dataclass(frozen=True)
class Dropped:
    """What one step has done."""

    removed: int
    kept: int
    """Entries of sessions that SQL does not hold as ended."""


def sids_of(sql: Sql, user_id: int) -> frozenset[str]:
    """Return every session that the user ever had, as far as SQL keeps them."""
    return frozenset(sql.scalars(select(Session.id).where(Session.user_id == user_id)))


def count_held(
    denylist: Denylist, of: frozenset[str] | None = None, *, at_most: int | None = None
) -> Held:
    """Count the entries, of these sessions only where `of` is given. Raises RedisError.

    Where `at_most` is given it stops there: who counts them for a page cannot wait for millions.
    """
    sessions = tokens = 0
    for key in islice(_keys(denylist, of), at_most):
        is_token = parse_key(key)[1] is not None
        tokens += is_token
        sessions += not is_token
    return Held(sessions, tokens)


def record_flush(
    sql: Sql, before: Held, *, user_id: int | None, now: datetime, actor: str, **detail: Any
) -> None:
    """Write the audit event, before anything goes: no flush is without its trace.

    Raises SQLAlchemyError while the database does not answer.
    """
    with writing(sql):
        record(
            sql,
            Event.DENYLIST_FLUSHED,
            now=now,
            actor=actor,
            user_id=user_id,
            sessions=before.sessions,
            tokens=before.tokens,
            **detail,
        )


def flush(
    sql: Sql, denylist: Denylist, *, now: datetime, of: frozenset[str] | None = None
) -> Iterator[Dropped]:
    """Remove the entries step by step, each after a look into SQL; touches no other key.

    Raises RedisError, and SQLAlchemyError as soon as the database stops answering.
    """
    for keys in _batches(_keys(denylist, of)):
        going = _refused_by_sql(sql, keys, now)
        yield Dropped(denylist.delete(going), len(keys) - len(going))


def _keys(denylist: Denylist, of: frozenset[str] | None) -> Iterator[str]:
    everything = denylist.keys()
    return (key for key in everything if of is None or parse_key(key)[0] in of)


def _refused_by_sql(sql: Sql, keys: list[str], now: datetime) -> list[str]:
    """Return the keys that nothing depends on: tokens' always, sessions' that SQL refuses."""
    parsed = {key: parse_key(key) for key in keys}
    sids = list({sid for sid, jti in parsed.values() if jti is None and is_sid(sid)})
    ended = select(Session.id).where(one_of(sql, Session.id, sids), Session.refuse_from <= now)
    refused = set(sql.scalars(ended))
    sql.rollback()  # a fresh look each time, and no transaction open meanwhile
    return [key for key, (sid, jti) in parsed.items() if jti is not None or sid in refused]


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    left = iter(keys)
    while batch := list(islice(left, BATCH)):
        yield batch
