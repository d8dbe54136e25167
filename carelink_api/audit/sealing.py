"""Sealing: events get their place in one chain, after they were committed and off any request.

Nobody holds a lock while hashing. A block's number is its primary key: of two who seal at once one
finds it taken, and has done nothing. A block, and what it leaves open, is one transaction: whoever
is killed has sealed all of it or nothing.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Sql

from ..database import writing
from . import chain
from .chain import BLOCK_EVENTS, Block, Range, Statement
from .checkpoints import store
from .keys import AuditKeys
from .models import AuditBlock, AuditGap
from .stored import BLOCKS, EVENTS, EventRow, digests_of
from .unsealed import newest_sealed_id

log = structlog.get_logger(__name__)

ENDLESS = 2**63 - 1
"""The last id of the open range above everything that is sealed."""
BLOCKS_AT_ONCE = 5
_GAP = (AuditGap.first_id, AuditGap.last_id)


class Sealer:
    """Seals what is not sealed yet."""

    def __init__(self, keys: AuditKeys) -> None:
        self._keys = keys
        self._key = keys.current

    def seal(self, sql: Sql, now: datetime) -> tuple[int, bool]:
        """Seal a few blocks; return how many events, and whether more wait.

        Raises SQLAlchemyError.
        """
        sealed = 0
        for _ in range(BLOCKS_AT_ONCE):
            count = self.seal_block(sql, now)
            sealed += count
            if count < BLOCK_EVENTS:
                return sealed, False
        return sealed, True

    def seal_block(self, sql: Sql, now: datetime) -> int:
        """Seal up to a block of events; return how many: 0 where another one was faster."""
        sql.rollback()  # see what has been committed meanwhile
        last = _last_block(sql)  # before the rest: a newer one makes our number a taken one
        open_ = open_ranges(sql)
        rows = _unsealed(sql, open_)
        if not rows:
            return 0
        ours = last is None or self._keys.have_sealed(last.key_id, last.head, last.seal)
        if last and not ours:
            log.error("audit_sealed_by_others", number=last.number, key_id=last.key_id)
        digests = [each or bytes(32) for each in digests_of(sql, rows)]
        sql.rollback()
        ids = [row["id"] for row in rows]
        block = Block(
            number=last.number + 1 if last else 1,
            first_seq=last.first_seq + last.size if last else 1,
            size=len(ids),
            ids=chain.spell_ids(ids),
            marks=chain.marks(digests),
            root=chain.root(digests),
            previous=last.head if last else chain.GENESIS,
            sealed_at=now,
            key_id=self._key.id,
        )
        try:
            with writing(sql):
                self._store(sql, block)
                if last and ours and last.key_id != self._key.id:
                    adopt(sql, self._keys, last, now)
                _remember_gaps(sql, chain.without(open_, ids))
        except IntegrityError:
            log.info("audit_block_taken", number=block.number)
            return 0
        return block.size

    def _store(self, sql: Sql, block: Block) -> None:
        head = block.head()
        stored = {name: getattr(block, name) for name in Block.__dataclass_fields__}
        stored |= {"head": head, "seal": chain.seal(self._key.mac, head)}
        sql.execute(insert(BLOCKS), stored)


def adopt(sql: Sql, keys: AuditKeys, last: AuditBlock, now: datetime) -> None:
    """Vouch by the present key for all up to a block that another one has sealed; no commit."""
    seq = last.first_seq + last.size - 1
    told = Statement(chain.GROWN, last.number, seq, last.head, now, keys.current.id)
    store(sql, told, keys.current.sign(told))


def last_of_others(sql: Sql, keys: AuditKeys) -> AuditBlock | None:
    """Return the last of the first blocks that no key of ours has sealed; None: there is none."""
    ours = select(func.min(AuditBlock.number)).where(AuditBlock.key_id.in_(list(keys.known)))
    first = sql.scalar(ours)
    others = select(AuditBlock).order_by(AuditBlock.number.desc()).limit(1)
    return sql.scalar(others if first is None else others.where(AuditBlock.number < first))


def open_ranges(sql: Sql) -> list[Range]:
    """Return the ids that no block holds, in order; the last range has no end.

    A list whose open end does not begin after the newest block is not believed: whoever can write
    rows could keep events from being sealed by it.
    """
    found = sql.execute(select(*_GAP).order_by(AuditGap.first_id))
    ranges = [(first, last) for first, last in found]
    if not ranges or ranges[-1][1] != ENDLESS:
        return _ranges_anew(sql)
    begins = ranges[-1][0]
    if begins == newest_sealed_id(sql, 1) + 1 or begins == newest_sealed_id(sql) + 1:
        return ranges
    return _ranges_anew(sql)


def _ranges_anew(sql: Sql) -> list[Range]:
    """Return them by what the blocks say: there are none yet, or the list was lost."""
    sealed = sorted(
        each
        for spelled in sql.scalars(select(AuditBlock.ids))
        for each in chain.read_ranges(spelled)
    )
    ranges, next_ = [], sealed[0][0] if sealed else 1
    for first, last in sealed:
        if first > next_:
            ranges.append((next_, first - 1))
        next_ = max(next_, last + 1)
    return [*ranges, (next_, ENDLESS)]


def _last_block(sql: Sql) -> AuditBlock | None:
    return sql.scalar(select(AuditBlock).order_by(AuditBlock.number.desc()).limit(1))


def _unsealed(sql: Sql, open_: Sequence[Range]) -> list[EventRow]:
    """Return the next events to seal: first those that were late, then the new ones."""
    above = open_[-1][0]
    late = (
        select(EVENTS)
        .join(AuditGap, EVENTS.c.id.between(AuditGap.first_id, AuditGap.last_id))
        .where(EVENTS.c.id < above, AuditGap.last_id < above)
        .order_by(EVENTS.c.id)
        .limit(BLOCK_EVENTS)
    )
    rows: list[EventRow] = []
    if len(open_) > 1:
        rows += [row._asdict() for row in sql.execute(late)]
    new = select(EVENTS).where(EVENTS.c.id >= above).order_by(EVENTS.c.id)
    found = sql.execute(new.limit(BLOCK_EVENTS - len(rows)))
    return rows + [row._asdict() for row in found]


def _remember_gaps(sql: Sql, open_: Sequence[Range]) -> None:
    there = {(first, last) for first, last in sql.execute(select(*_GAP))}
    gone, new = there - set(open_), set(open_) - there
    if gone:
        sql.execute(delete(AuditGap).where(AuditGap.first_id.in_([first for first, _ in gone])))
    if new:
        rows = [{"first_id": first, "last_id": last} for first, last in sorted(new)]
        sql.execute(insert(AuditGap), rows)
