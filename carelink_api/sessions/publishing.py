"""Writing to Redis what it should hold: after an outage or a flush, and when an end comes due.

And the way back: what Redis still holds of ends that a restored database has forgotten.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, islice

from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session as Sql

from .changes import ChangeRow, read_counter, stream_changes, stream_due, stream_refused
from .denylist import BATCH, Denylist, Entry, parse_key
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
    listed = (sid for sid, jti in map(parse_key, denylist.keys()) if jti is None and _is_sid(sid))
    while sids := list(islice(listed, BATCH)):
        forgotten = sql.scalars(select(Session.id).where(Session.id.in_(sids), *live_at(now))).all()
        sql.rollback()  # no transaction stays open while Redis is read
        if forgotten:
            yield forgotten


def _is_sid(text: str) -> bool:
    """Say whether it may go to the database: anybody may have written such a key."""
    return len(text) == 22 and text.isascii() and text.isprintable()


class Publisher:
    """Follows the change numbers and hands every newcomer to Redis until Redis has it.

    Two at once do no harm: entries are never changed (`NX`).
    """

    def __init__(self, denylist: Denylist) -> None:
        self._denylist = denylist
        self._published: int | None = None
        """The newest change number that Redis is known to hold; None: reload everything."""
        self.went_back = False
        """The counter has been seen to fall: the database comes from a backup."""
        self._looked_at: datetime | None = None

    def catch_up(self, connection: Connection, now: datetime) -> bool:
        """Publish what is new or has come due; return whether Redis took it."""
        if self._published is None or self._looked_at is None:
            return self.reload(connection, now)
        newest = read_counter(connection).value
        if newest < self._published:
            self.went_back = True
            return self.reload(connection, now)
        news = [stream_due(connection, self._looked_at, now)]
        if newest != self._published:
            news.append(stream_changes(connection, self._published))
        for rows in chain.from_iterable(news):
            if not self._denylist.publish(entries_due(rows, now)):
                return False
        self._published, self._looked_at = newest, now
        return True

    def reload(self, connection: Connection, now: datetime) -> bool:
        """Publish everything that Redis should hold; return whether Redis took it."""
        newest = read_counter(connection).value
        try:
            for _ in reload_denylist(connection, self._denylist, now):
                pass
        except DenylistRefused:
            self._published = None
            return False
        self._published, self._looked_at = newest, now
        return True
