"""Retention: what is older than the setting says is removed, block by block, from the oldest on.

A signed checkpoint says where the trail begins from then on, and an event that something was
removed. What does not verify is not removed: it would be the proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import structlog
from sqlalchemy import Row, delete, func, select
from sqlalchemy.orm import Session as Sql

from ..database import writing
from . import chain
from .chain import PRUNED, Statement
from .checkpoints import store
from .classes import RetentionClass
from .events import Event
from .faults import Fault
from .keys import AuditKeys
from .models import AuditBlock, AuditCheckpoint, AuditedPatient, AuditGap, AuditPurge
from .record import HOUSEKEEPER, record
from .stored import BLOCKS, EVENTS, block_in
from .thinning import Thinner
from .verifying import Verifier

log = structlog.get_logger(__name__)

BLOCKS_AT_ONCE = 5
_DATED_WRONG = frozenset({Fault.INSERTED, Fault.ERASED_UNTOLD})
"""Doubts that removing an event does not make worse."""


@dataclass(frozen=True)
class Pruned:
    """What a piece of pruning has done."""

    events: int = 0
    more: bool = False
    """Something is left that is due."""
    whole: bool = True
    """False: what does not verify was left where it is."""


class Pruner:
    """Removes what is too old."""

    def __init__(
        self,
        keys: AuditKeys,
        retention: timedelta,
        classes: Mapping[RetentionClass, timedelta] | None = None,
    ) -> None:
        """`classes`: those that are not kept as long as `retention` says."""
        kept_for = classes or {}
        self._keys = keys
        self._retention = max(retention, *kept_for.values()) if kept_for else retention
        shorter = {
            kind: kept_for.get(kind, retention)
            for kind in RetentionClass
            if kept_for.get(kind, retention) < self._retention
        }
        self._thinner = Thinner(keys, shorter, HOUSEKEEPER)

    def prune(self, sql: Sql, now: datetime) -> Pruned:
        """Remove some of what is due. Raises SQLAlchemyError."""
        blocks = self._due(sql, now)
        if not blocks:
            return self._thin(sql, now)
        if not self._are_whole(sql, blocks):
            return Pruned(whole=False)
        removed = self._remove(sql, blocks, now)
        return Pruned(removed, more=True)

    def _thin(self, sql: Sql, now: datetime) -> Pruned:
        due = self._thinner.due(sql, now)
        if due is None:
            return Pruned()
        if not self._are_whole(sql, due[1]):
            return Pruned(whole=False)
        return Pruned(self._thinner.thin(sql, *due, now), more=True)

    def _due(self, sql: Sql, now: datetime) -> Sequence[Row[Any]]:
        """Return the oldest blocks that are due; never the newest of all: the chain goes on.

        None behind one that is not due, whatever time it bears: no hole is made into the chain.
        """
        newest = select(func.max(AuditBlock.number)).scalar_subquery()
        query = select(BLOCKS).where(BLOCKS.c.number < newest).order_by(BLOCKS.c.number)
        oldest = sql.execute(query.limit(BLOCKS_AT_ONCE)).all()
        return list(takewhile(lambda row: row.sealed_at < now - self._retention, oldest))

    def _are_whole(self, sql: Sql, blocks: Sequence[Row[Any]]) -> bool:
        verifier = Verifier(sql, self._keys, lambda _: None)
        for row in blocks:
            verifier.check_block(block_in(row), row)
        for found in verifier.report.faults:
            if found.fault not in _DATED_WRONG:
                log.error("audit_not_pruned", fault=str(found.fault), block=found.block)
                return False
        return True

    def _remove(self, sql: Sql, blocks: Sequence[Row[Any]], now: datetime) -> int:
        last = block_in(blocks[-1])
        numbers = [row.number for row in blocks]
        ranges = [each for row in blocks for each in chain.read_ranges(row.ids)]
        count = sum(block_in(row).size for row in blocks)
        key = self._keys.current
        told = Statement(PRUNED, last.number, last.last_seq, blocks[-1].head, now, key.id)
        with writing(sql):
            gone = sql.execute(
                delete(AuditBlock)
                .where(AuditBlock.number.in_(numbers))
                .returning(AuditBlock.number)
            ).all()
            if len(gone) != len(numbers):  # another housekeeper has done it
                sql.rollback()
                return 0
            for first, last_id in ranges:
                sql.execute(delete(EVENTS).where(EVENTS.c.id.between(first, last_id)))
                about = AuditedPatient.event_id.between(first, last_id)
                sql.execute(delete(AuditedPatient).where(about))
            sql.execute(delete(AuditPurge).where(AuditPurge.block.in_(numbers)))
            self._forget(sql, last.number, max(end for _, end in ranges), now)
            store(sql, told, key.sign(told))
            record(
                sql,
                Event.AUDIT_PRUNED,
                now=now,
                actor=HOUSEKEEPER,
                events=count,
                through_seq=told.seq,
            )
        log.info("audit_pruned", events=count, through_seq=told.seq)
        return count

    def _forget(self, sql: Sql, block: int, last_id: int, now: datetime) -> None:
        """Remove checkpoints of what is gone, and gaps that nobody fills any more."""
        old = AuditCheckpoint.made_at < now - self._retention
        sql.execute(delete(AuditCheckpoint).where(AuditCheckpoint.block < block, old))
        sql.execute(delete(AuditGap).where(AuditGap.last_id < last_id))
