"""Verify the events of a block: each against its digest, all of them against the block's root."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from . import chain
from .canonical import digest
from .chain import Block, Purge
from .events import Event
from .faults import Fault, Found, Report
from .keys import AuditKeys
from .models import AuditPurge
from .people import people_of
from .stored import EVENTS, EventRow, among, events_of, patients_of

LATE = timedelta(hours=1)
"""How much older than what was sealed before it an event may be: transactions take seconds."""


class EventCheck:
    """Looks into one block after the other, in the order of the chain."""

    def __init__(
        self, sql: Sql, keys: AuditKeys, report: Report, fault: Callable[[Found], None]
    ) -> None:
        self._sql = sql
        self._keys = keys
        self._report = report
        self._fault = fault
        self.newest: datetime | None = None
        """The newest time that an event sealed so far bears."""
        self._erased: dict[frozenset[int], Found] = {}
        """By whom it is about: the first event that was erased."""

    def check(self, block: Block, ids: list[int]) -> None:
        """Hold every event of a block against what was sealed."""
        there = events_of(self._sql, ids)
        about = patients_of(self._sql, ids)
        purged = self._purged(block)
        digests: list[bytes] = []
        broken = False
        limit = self.newest - LATE if self.newest else None
        for index, event_id in enumerate(ids):
            seq, row = block.first_seq + index, there.get(event_id)
            found = digest(row, about.get(event_id, ())) if row is not None else None
            if row is None and event_id in purged:  # held against the root, below
                digests.append(purged[event_id])
                self._report.purged += 1
                continue
            digests.append(found or bytes(32))
            if row is None:
                self._fault(Found(Fault.MISSING, block.number, seq, event_id))
            elif found is None or found[: chain.MARK_BYTES] != chain.mark_at(block.marks, index):
                self._fault(_altered(block, ids, index, row, about.get(event_id, ())))
            else:
                self._event(block, seq, row, limit)
                continue
            broken = True
        if not broken and chain.root(digests) != block.root:
            self._fault(Found(Fault.BLOCK_ALTERED, block.number, block.first_seq))
        self._report.events += len(there)

    def pass_over(self, block: Block, ids: list[int]) -> None:
        """Take of a block that is not looked into how new its events are."""
        newest = select(func.max(EVENTS.c.recorded_at)).where(among(ids, EVENTS.c.id))
        at = self._sql.execute(newest).scalar()
        if at is not None:
            self.newest = min(at, block.sealed_at)

    def look_for_erasures(self) -> None:
        """Find the events that were erased although nobody's erasure tells of it."""
        for people, found in self._erased.items():
            told = select(EVENTS.c.id).where(
                EVENTS.c.event == Event.USER_ERASED, EVENTS.c.user_id.in_(people)
            )
            if self._sql.execute(told.limit(1)).first() is None:
                self._fault(found)
        self._erased.clear()

    def _purged(self, block: Block) -> dict[int, bytes]:
        """Return the digests that are left of events whose time was over."""
        kept: dict[int, bytes] = {}
        columns = [getattr(AuditPurge, name) for name in Purge.__dataclass_fields__]
        query = select(*columns, AuditPurge.seal).where(AuditPurge.block == block.number)
        for *told, seal in self._sql.execute(query):
            purge = Purge(*told)
            key = self._keys.known.get(purge.key_id)
            try:
                if key is None and block.key_id in self._keys.known:
                    raise ValueError("older than its block's key")
                if key is not None and not key.has_vouched(purge, seal):
                    raise ValueError("not sealed by this key")
                kept |= purge.kept()  # a lost key's are held against the root alone
            except ValueError:
                self._fault(Found(Fault.PURGE_FORGED, block.number, block.first_seq))
        return kept

    def _event(self, block: Block, seq: int, row: EventRow, limit: datetime | None) -> None:
        at, report = row["recorded_at"], self._report
        if limit is not None and at < limit:
            self._fault(Found(Fault.INSERTED, block.number, seq, row["id"]))
        report.oldest_at = min(at, report.oldest_at or at)
        report.newest_at = max(at, report.newest_at or at)
        sealed_by = min(at, block.sealed_at)
        self.newest = max(sealed_by, self.newest or sealed_by)
        if row["commitment"] is not None:
            report.erased += 1
            found = Found(Fault.ERASED_UNTOLD, block.number, seq, row["id"])
            self._erased.setdefault(people_of(row), found)


def _altered(
    block: Block, ids: list[int], index: int, row: EventRow, patients: Iterable[int]
) -> Found:
    """Say which, and whether it is the event that was sealed at another place of the block."""
    seq, event_id = block.first_seq + index, ids[index]
    for other, other_id in enumerate(ids):
        if other != index:
            moved = digest({**row, "id": other_id}, patients)
            if moved and moved[: chain.MARK_BYTES] == chain.mark_at(block.marks, other):
                more = f"It was sealed with seq {block.first_seq + other}."
                return Found(Fault.REORDERED, block.number, seq, event_id, more)
    return Found(Fault.ALTERED, block.number, seq, event_id)
