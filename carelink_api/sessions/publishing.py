"""Writing to Redis what it should hold: after an outage or a flush, and when an end comes due.

And the way back: what Redis still holds of ends that a restored database has forgotten.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, islice

from sqlalchemy import Engine, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session as Sql

from .changes import ChangeRow, read_counter, stream_changes, stream_due, stream_refused
from .denylist import BATCH, Denylist, Entry, is_sid, parse_key
from .models import Session, live_at
from .reasons import EndReason


class DenylistRefused(Exception):
    """Redis did not take the entries; SQL has them."""


def entries_due(rows: Sequence[ChangeRow], now: datetime) -> list[Entry]:
    """Return the denylist entries of rows that are refused now and could still matter."""
    return [
        Entry(
            row.id, row.end_reason or EndReason.SHIFT_ENDED, row.refuse_from, row.latest_expires_at
        )
        for row in rows
        if row.refuse_from is not None and row.refuse_from <= now < row.latest_expires_at
    ]


def reload_denylist(connection: Connection, denylist: Denylist, now: datetime) -> Iterator[int]:
    """Write every entry that Redis should hold and does not, yielding the size of each batch.

    Raises DenylistRefused.
    """
    for rows in stream_refused(connection, now):
        entries = entries_due(rows, now)
        if not denylist.publish(entries):
            raise DenylistRefused
        yield len(entries)


def forgotten_ends(sql: Sql, denylist: Denylist, now: datetime) -> Iterator[Sequence[str]]:
    """Yield, in batches, the sessions that Redis holds as ended and SQL does not.

    The database was restored from a backup, or failed over to a replica that lagged. Raises
    STORE_ERRORS.
    """
    listed = (sid for sid, jti in map(parse_key, denylist.keys()) if jti is None and is_sid(sid))
    while sids := list(islice(listed, BATCH)):
        forgotten = sql.scalars(select(Session.id).where(Session.id.in_(sids), *live_at(now))).all()
        sql.rollback()  # no transaction stays open while Redis is read
        if forgotten:
            yield forgotten


class Comparison:
    """Writing to Redis whatever it should hold and does not, in pieces, on one connection."""

    def __init__(self, engine: Engine, denylist: Denylist, now: datetime) -> None:
        self._connection = engine.connect()
        self._batches = reload_denylist(self._connection, denylist, now)

    def go_on(self, batches: int) -> bool:
        """Write so many batches; return whether there may be more. Raises DenylistRefused."""
        return sum(1 for _ in islice(self._batches, batches)) == batches

    def close(self) -> None:
        self._connection.close()


class Publisher:
    """Follows the change numbers and hands every newcomer to Redis until Redis has it.

    Two at once do no harm: entries are never changed (`NX`).
    """

    def __init__(self, denylist: Denylist) -> None:
        self._denylist = denylist
        self._followed: int | None = None
        """The change number up to which every newcomer was handed over since the first look."""
        self._looked_at: datetime | None = None
        self.must_compare = True
        """What was there before the first look has still to be handed over, by a comparison."""
        self.went_back = False
        """The counter has been seen to fall: the database comes from a backup."""

    @property
    def published(self) -> int | None:
        """The newest change number up to which Redis holds everything; None: not known."""
        return None if self.must_compare else self._followed

    def catch_up(self, connection: Connection, now: datetime) -> bool:
        """Publish what is new or has come due; return whether Redis took it."""
        newest = read_counter(connection).value
        if self._followed is not None and newest < self._followed:
            self.went_back, self._followed = True, None
        if self._followed is None or self._looked_at is None:
            self.must_compare = True
        else:
            news = [stream_due(connection, self._looked_at, now)]
            if newest != self._followed:
                news.append(stream_changes(connection, self._followed))
            for rows in chain.from_iterable(news):
                if not self._denylist.publish(entries_due(rows, now)):
                    return False
        self._followed, self._looked_at = newest, now
        return True
