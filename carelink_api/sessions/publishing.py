"""Writing to Redis what it should hold: after an outage or a flush, and when an end comes due."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from .changes import ChangeRow, changes_after, latest_change, refused_between, stream_refused
from .denylist import Denylist, Entry
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


class Publisher:
    """Follows the change numbers and hands every newcomer to Redis until Redis has it.

    Two at once do no harm: entries are never changed (`NX`).
    """

    def __init__(self, denylist: Denylist) -> None:
        self._denylist = denylist
        self._published: int | None = None
        """The newest change number that Redis is known to hold; None: reload everything."""
        self._looked_at: datetime | None = None

    def catch_up(self, connection: Connection, now: datetime) -> bool:
        """Publish what is new or has come due; return whether Redis took it."""
        if self._published is None or self._looked_at is None:
            return self.reload(connection, now)
        newest = latest_change(connection)
        rows = list(refused_between(connection, self._looked_at, now))
        if newest != self._published:
            rows += changes_after(connection, self._published)
        if not self._denylist.publish(entries_due(rows, now)):
            return False
        self._published, self._looked_at = newest, now
        return True

    def reload(self, connection: Connection, now: datetime) -> bool:
        """Publish everything that Redis should hold; return whether Redis took it."""
        newest = latest_change(connection)
        try:
            for _ in reload_denylist(connection, self._denylist, now):
                pass
        except DenylistRefused:
            self._published = None
            return False
        self._published, self._looked_at = newest, now
        return True
