"""Verify the trail: every event against its block, every block against the one before it and its
seal, and the chain against every checkpoint, in the database and outside of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session as Sql

from . import chain
from .chain import PRUNED, Block, Range, Statement
from .checkpoints import Signed, signed
from .event_check import LATE, EventCheck
from .faults import Fault, Found, Report
from .keys import AuditKeys
from .models import AuditBlock, AuditCheckpoint
from .stored import BLOCKS, EVENTS, block_in

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
        looks_into: Callable[[Block], bool] = lambda _: True,
        remembered: Sequence[Statement] = (),
    ) -> None:
        """`sealed_until`: whatever was written before it must be sealed by now. `looks_into` says
        of which blocks the events are verified: of the others the chain alone. `remembered` is what
        our own key has vouched for and nobody needs to sign.
        """
        self._sql = sql
        self._keys = keys
        self._advance = advance
        self._sealed_until = sealed_until
        self._looks_into = looks_into
        self._remembered = remembered
        self.report = Report()
        self._inside = EventCheck(sql, keys, self.report, self._fault)
        self._heads: dict[int, tuple[bytes, int]] = {}
        """Head and last seq of the blocks that checkpoints speak of."""
        self._passed_over: tuple[Block, list[int]] | None = None
        """The block before, where its events were not looked at."""
        self._sealed: list[Range] = []
        self._key_ids: set[str] = set()
        self._unvouched: Found | None = None
        self._last_unknown: int | None = None
        """The last block that was sealed before the keys that are here."""
        self._vouched = False
        """Whether a key of ours has sealed a block so far."""

    def run(self, outside: Iterable[Signed] = ()) -> Report:
        """Verify everything. Raises SQLAlchemyError."""
        for _ in self.steps(outside):
            pass
        return self.report

    def steps(self, outside: Iterable[Signed] = ()) -> Iterator[Block]:
        """Verify a block with each step, and after the last one what holds all of them together.

        Between two steps the session is the caller's. Raises SQLAlchemyError.
        """
        statements = [signed(row) for row in self._sql.scalars(select(AuditCheckpoint))]
        published = list(outside)
        told = [each.statement for each in [*statements, *published]]
        self._wanted = {each.block for each in [*told, *self._remembered]}
        yield from self._follow()
        self._look_for_adoption([*statements, *published])
        self._compare(statements, "in the database")
        self._compare(published, "outside")
        for each in self._remembered:
            self._hold_against(each, "which the last verification left")
        self.report.checkpoints, self.report.outside = len(statements), len(published)
        self._look_for_others()
        self._inside.look_for_erasures()
        self._sql.rollback()

    def _fault(self, found: Found) -> None:
        if len(self.report.faults) < FAULTS_KEPT:
            self.report.faults.append(found)

    # The chain.

    def _follow(self) -> Iterator[Block]:
        number, seq, head = 0, 0, chain.GENESIS
        for row in self._blocks():
            block, before = block_in(row), len(self.report.faults)
            if number == 0 and block.number > 1:
                number, seq, head = self._base(block)
            self._place(block, number, seq, head)
            self.check_block(block, row)
            if len(self.report.faults) > before and self._was_pruned(block):
                del self.report.faults[before:]
            number, seq, head = block.number, block.last_seq, row.head
            self.report.last_seq = seq
            if number in self._wanted:
                self._heads[number] = (head, seq)
            yield block
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

    def _base(self, first: Block) -> tuple[int, int, bytes]:
        """Return where the chain begins: after what a purge has told of."""
        for told in self._purges(AuditCheckpoint.block == first.number - 1):
            return told.block, told.seq, told.head
        return 0, 0, chain.GENESIS

    def _purges(self, condition: ColumnElement[bool]) -> Iterator[Statement]:
        """Yield what is signed of removed blocks; read now, since it may just have been done."""
        which = select(AuditCheckpoint).where(AuditCheckpoint.kind == PRUNED, condition)
        for each in map(signed, self._sql.scalars(which)):
            if self._is_good(each):
                yield each.statement

    def _was_pruned(self, block: Block) -> bool:
        """Say whether it went, as its time was over, while we looked into it."""
        there = select(BLOCKS.c.number).where(BLOCKS.c.number == block.number)
        if self._sql.execute(there).first() is not None:
            return False
        return any(self._purges(AuditCheckpoint.block >= block.number))

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
        if ids and self._looks_into(block):
            self._look_back()
            self._inside.check(block, ids)
        elif ids:
            self._passed_over = block, ids
        if ids:
            self._keep_sealed(block)
        self._advance(block.size)

    def _look_back(self) -> None:
        if self._passed_over:
            self._inside.pass_over(*self._passed_over)
        self._passed_over = None

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
            if self._unvouched and not self._vouched:
                self._last_unknown = block.number - 1
            self._unvouched, self._vouched = None, True
            if self.report.unknown_keys and self.report.known_since is None:
                self.report.known_since = block.sealed_at
        else:
            self._fault(Found(Fault.REWRITTEN, block.number, block.first_seq))

    # What no block holds.

    def _keep_sealed(self, block: Block) -> None:
        for first, last in chain.read_ranges(block.ids):
            if self._sealed and first == self._sealed[-1][1] + 1:
                self._sealed[-1] = (self._sealed[-1][0], last)
            else:
                self._sealed.append((first, last))

    def _look_for_others(self) -> None:
        """Find what was sealed twice, and what is not sealed and ought to be."""
        self._look_back()
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
        if count and self._inside.newest and oldest < self._inside.newest - LATE:
            old = select(EVENTS.c.id).where(*which, EVENTS.c.recorded_at == oldest)
            event_id = self._sql.scalar(old.limit(1))
            self._fault(Found(Fault.INSERTED, event_id=event_id, more="It is not sealed."))
        elif count and self._sealed_until and oldest < self._sealed_until:
            first_id = self._sql.scalar(select(func.min(EVENTS.c.id)).where(*which))
            more = f"{count} of them, the oldest of {oldest:%Y-%m-%d %H:%M}Z."
            self._fault(Found(Fault.UNSEALED, event_id=first_id, more=more))

    # Checkpoints.

    def _look_for_adoption(self, statements: Iterable[Signed]) -> None:
        """Find out whether a key of ours has signed the last block that others have sealed."""
        number = self._last_unknown
        if number is None:
            return
        for each in statements:
            told = each.statement
            ours = told.block == number and told.key_id in self._keys.known
            if ours and self._is_good(each) and self._heads.get(number) == (told.head, told.seq):
                return
        self._fault(Found(Fault.UNADOPTED, number))

    def _compare(self, statements: Iterable[Signed], where: str) -> None:
        first = self.report.first_seq or 1
        for each in statements:
            told = each.statement
            if told.seq < first and told.key_id not in self._keys.known:
                continue  # what it tells of was removed, and its key, too
            if not self._is_good(each):
                self._fault(Found(Fault.CHECKPOINT_FORGED, told.block, more=f"It is {where}."))
            else:
                self._hold_against(told, where)

    def _hold_against(self, told: Statement, where: str) -> None:
        """Say whether the chain is the one of which a checkpoint tells."""
        first = self.report.first_seq or 1
        if told.seq > self.report.last_seq:
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
