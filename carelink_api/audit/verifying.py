"""Verify the trail: every event against its block, every block against the one before it and its
seal, and the chain against every checkpoint, in the database and outside of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session as Sql

from . import chain
from .canonical import digest
from .chain import Block, Purge, Range
from .checkpoints import PRUNED, Signed, signed
from .events import Event
from .faults import Fault, Found, Report
from .keys import AuditKeys
from .models import AuditBlock, AuditCheckpoint, AuditPurge
from .people import people_of
from .stored import BLOCKS, EVENTS, EventRow, block_in, events_of, patients_of

LATE = timedelta(hours=1)
"""How much older than what was sealed before it an event may be: transactions take seconds."""
FAULTS_KEPT = 100
_BLOCKS_READ = 50


class Verifier:
    """One run over the whole trail; in flat memory, block by block."""

    def __init__(
        self,
        sql: Sql,
        keys: AuditKeys,
        advance: Callable[[int], None],
        *,
        sealed_until: datetime | None = None,
    ) -> None:
        """`sealed_until`: whatever was written before it must be sealed by now."""
        self._sql = sql
        self._keys = keys
        self._advance = advance
        self._sealed_until = sealed_until
        self.report = Report()
        self._heads: dict[int, tuple[bytes, int]] = {}
        """Head and last seq of the blocks that checkpoints speak of."""
        self._sealed: list[Range] = []
        self._newest: datetime | None = None
        """The newest time that an event sealed so far bears."""
        self._erased: dict[frozenset[int], Found] = {}
        """By whom it is about: the first event that was erased."""
        self._key_ids: set[str] = set()
        self._unvouched: Found | None = None
        self._vouched = False
        """Whether a key of ours has sealed a block so far."""

    def run(self, outside: Iterable[Signed] = ()) -> Report:
        """Verify everything. Raises SQLAlchemyError."""
        statements = [signed(row) for row in self._sql.scalars(select(AuditCheckpoint))]
        published = list(outside)
        self._wanted = {each.statement.block for each in [*statements, *published]}
        self._follow(statements)
        self._compare(statements, "in the database")
        self._compare(published, "outside")
        self.report.checkpoints, self.report.outside = len(statements), len(published)
        self._look_for_others()
        self._look_for_erasures()
        self._sql.rollback()
        return self.report

    def _fault(self, found: Found) -> None:
        if len(self.report.faults) < FAULTS_KEPT:
            self.report.faults.append(found)

    # The chain.

    def _follow(self, statements: list[Signed]) -> None:
        number, seq, head = 0, 0, chain.GENESIS
        for row in self._blocks():
            block = block_in(row)
            if number == 0 and block.number > 1:
                number, seq, head = self._base(block, statements)
            self._place(block, number, seq, head)
            self.check_block(block, row)
            number, seq, head = block.number, block.last_seq, row.head
            if number in self._wanted:
                self._heads[number] = (head, seq)
        self.report.last_seq = seq
        if self._unvouched:
            self._fault(self._unvouched)

    def _blocks(self) -> Iterator[Row[Any]]:
        after = 0
        while True:
            query = select(BLOCKS).where(BLOCKS.c.number > after).order_by(BLOCKS.c.number)
            rows = self._sql.execute(query.limit(_BLOCKS_READ)).all()
            if not rows:
                return
            self._sql.rollback()  # no snapshot for the whole run
            yield from rows
            after = rows[-1].number

    def _base(self, first: Block, statements: list[Signed]) -> tuple[int, int, bytes]:
        """Return where the chain begins: after what a purge has told of."""
        for each in statements:
            told = each.statement
            if told.kind == PRUNED and told.block == first.number - 1 and self._is_good(each):
                return told.block, told.seq, told.head
        return 0, 0, chain.GENESIS

    def _place(self, block: Block, number: int, seq: int, head: bytes) -> None:
        if block.number != number + 1:
            missing = f"From block {number + 1} to {block.number - 1}."
            self._fault(Found(Fault.BLOCK_MISSING, number + 1, seq + 1, more=missing))
        elif block.previous != head or block.first_seq != seq + 1:
            self._fault(Found(Fault.BLOCK_ALTERED, block.number, block.first_seq))

    def check_block(self, block: Block, row: Row[Any]) -> None:
        """Hold a block against its events, its own hash and its seal; not against others."""
        self.report.blocks += 1
        if self.report.first_seq is None:
            self.report.first_seq = block.first_seq
        try:
            ids = block.event_ids()
        except ValueError:
            ids = []
        if not ids or block.head() != row.head:
            self._fault(Found(Fault.BLOCK_ALTERED, block.number, block.first_seq))
        self._seal(block, row)
        if ids:
            self._events(block, ids)
        self._advance(block.size)

    def _seal(self, block: Block, row: Row[Any]) -> None:
        key = self._keys.known.get(block.key_id)
        self._key_ids.add(block.key_id)
        if key is None:
            self.report.unknown_keys += 1
            if self._unvouched is None:
                self._unvouched = Found(Fault.UNKNOWN_KEY, block.number, block.first_seq)
        elif key.has_sealed(row.head, row.seal):
            if self._unvouched and self._vouched:  # keys are lost from the oldest on
                self._fault(replace(self._unvouched, fault=Fault.REWRITTEN))
            self._unvouched, self._vouched = None, True
            if self.report.unknown_keys and self.report.known_since is None:
                self.report.known_since = block.sealed_at
        else:
            self._fault(Found(Fault.REWRITTEN, block.number, block.first_seq))

    # The events of a block.

    def _events(self, block: Block, ids: list[int]) -> None:
        there = events_of(self._sql, ids)
        about = patients_of(self._sql, ids)
        purged = self._purged(block)
        digests: list[bytes] = []
        broken = False
        limit = self._newest - LATE if self._newest else None
        for index, event_id in enumerate(ids):
            seq, row = block.first_seq + index, there.get(event_id)
            found = digest(row, about.get(event_id, ())) if row is not None else None
            if row is None and event_id in purged:  # held against the root, below
                digests.append(purged[event_id])
                self.report.purged += 1
                continue
            digests.append(found or bytes(32))
            if row is None:
                self._fault(Found(Fault.MISSING, block.number, seq, event_id))
            elif found is None or found[: chain.MARK_BYTES] != chain.mark_at(block.marks, index):
                self._fault(self._altered(block, ids, index, row, about.get(event_id, ())))
            else:
                self._event(block, seq, row, limit)
                continue
            broken = True
        if not broken and chain.root(digests) != block.root:
            self._fault(Found(Fault.BLOCK_ALTERED, block.number, block.first_seq))
        self.report.events += len(there)
        self._keep_sealed(block)

    def _purged(self, block: Block) -> dict[int, bytes]:
        """Return the digests that are left of events whose time was over."""
        kept: dict[int, bytes] = {}
        columns = [getattr(AuditPurge, name) for name in Purge.__dataclass_fields__]
        query = select(*columns, AuditPurge.seal).where(AuditPurge.block == block.number)
        for *told, seal in self._sql.execute(query):
            purge = Purge(*told)
            key = self._keys.known.get(purge.key_id)
            try:
                if key is not None and not key.has_purged(purge, seal):
                    raise ValueError("not sealed by this key")
                kept |= purge.kept()  # a lost key's are held against the root alone
            except ValueError:
                self._fault(Found(Fault.PURGE_FORGED, block.number, block.first_seq))
        return kept

    def _event(self, block: Block, seq: int, row: EventRow, limit: datetime | None) -> None:
        at = row["recorded_at"]
        if limit is not None and at < limit:
            self._fault(Found(Fault.INSERTED, block.number, seq, row["id"]))
        self.report.oldest_at = min(at, self.report.oldest_at or at)
        self.report.newest_at = max(at, self.report.newest_at or at)
        sealed_by = min(at, block.sealed_at)
        self._newest = max(sealed_by, self._newest or sealed_by)
        if row["commitment"] is not None:
            self.report.erased += 1
            found = Found(Fault.ERASED_UNTOLD, block.number, seq, row["id"])
            self._erased.setdefault(people_of(row), found)

    def _look_for_erasures(self) -> None:
        """Find the events that were erased although nobody's erasure tells of it."""
        for people, found in self._erased.items():
            told = select(EVENTS.c.id).where(
                EVENTS.c.event == Event.USER_ERASED, EVENTS.c.user_id.in_(people)
            )
            if self._sql.execute(told.limit(1)).first() is None:
                self._fault(found)

    def _altered(
        self, block: Block, ids: list[int], index: int, row: EventRow, patients: Iterable[int]
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

    # What no block holds.

    def _keep_sealed(self, block: Block) -> None:
        for first, last in chain.read_ranges(block.ids):
            if self._sealed and first == self._sealed[-1][1] + 1:
                self._sealed[-1] = (self._sealed[-1][0], last)
            else:
                self._sealed.append((first, last))

    def _look_for_others(self) -> None:
        """Find what was sealed twice, and what is not sealed and ought to be."""
        after = 0
        for first, last in sorted(self._sealed):
            if first <= after:
                self._fault(Found(Fault.SEALED_TWICE, event_id=first))
            elif first > after + 1:
                self._others(after + 1, first - 1)
            after = max(after, last)
        self._others(after + 1, None)

    def _others(self, first: int, last: int | None) -> None:
        which = [EVENTS.c.id >= first, *([EVENTS.c.id <= last] if last else [])]
        count, oldest = self._sql.execute(
            select(func.count(), func.min(EVENTS.c.recorded_at)).where(*which)
        ).one()
        self.report.unsealed += count
        if count and self._newest and oldest < self._newest - LATE:
            old = select(EVENTS.c.id).where(*which, EVENTS.c.recorded_at == oldest)
            event_id = self._sql.scalar(old.limit(1))
            self._fault(Found(Fault.INSERTED, event_id=event_id, more="It is not sealed."))
        elif count and self._sealed_until and oldest < self._sealed_until:
            first_id = self._sql.scalar(select(func.min(EVENTS.c.id)).where(*which))
            more = f"{count} of them, the oldest of {oldest:%Y-%m-%d %H:%M}Z."
            self._fault(Found(Fault.UNSEALED, event_id=first_id, more=more))

    # Checkpoints.

    def _compare(self, statements: Iterable[Signed], where: str) -> None:
        first = self.report.first_seq or 1
        for each in statements:
            told = each.statement
            if told.seq < first and told.key_id not in self._keys.known:
                continue  # what it tells of was removed, and its key, too
            if not self._is_good(each):
                self._fault(Found(Fault.CHECKPOINT_FORGED, told.block, more=f"It is {where}."))
            elif told.seq > self.report.last_seq:
                more = f"One of {told.made_at:%Y-%m-%d %H:%M}Z, {where}, tells of more."
                self._fault(Found(Fault.CUT, told.block, self.report.last_seq + 1, more=more))
            elif told.seq >= first and self._heads.get(told.block) != (told.head, told.seq):
                more = f"That of {told.made_at:%Y-%m-%d %H:%M}Z, {where}."
                self._fault(Found(Fault.FORKED, told.block, told.seq, more=more))

    def _is_good(self, each: Signed) -> bool:
        """Say whether a key of ours has signed it; a lost one must have sealed, too."""
        key = self._keys.known.get(each.statement.key_id)
        if key is None:
            return each.statement.kind != PRUNED and each.statement.key_id in self._key_ids
        return key.has_signed(each.statement, each.signature)


def count_sealed(sql: Sql) -> int:
    return sql.scalar(select(func.coalesce(func.sum(AuditBlock.size), 0))) or 0
