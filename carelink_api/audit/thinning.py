"""Retention by class: events of a class that is kept for less long leave their block early.

Their digests stay in their place, 32 bytes each, under a seal of their own, so that the block and
the chain still verify: nobody without the key can pass off a removal as a purge.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, delete, exists, func, insert, select
from sqlalchemy.orm import Session as Sql

from ..database import writing
from . import chain
from .chain import Purge
from .classes import RetentionClass, class_of
from .events import Event
from .keys import AuditKeys
from .models import AuditBlock, AuditedPatient, AuditPurge
from .record import record
from .stored import BLOCKS, EVENTS, block_in, digests_of, events_of

log = structlog.get_logger(__name__)

BLOCKS_AT_ONCE = 5


class Thinner:
    """Removes the events of some classes from blocks that stay."""

    def __init__(
        self, keys: AuditKeys, kept_for: Mapping[RetentionClass, timedelta], actor: str
    ) -> None:
        """`kept_for` has only the classes that are kept for less long than the blocks."""
        self._key = keys.current
        self._kept_for = kept_for
        self._actor = actor

    def due(self, sql: Sql, now: datetime) -> tuple[RetentionClass, Sequence[Row[Any]]] | None:
        """Return a class of which events are due, and their oldest blocks."""
        for kind, kept_for in self._kept_for.items():
            done = exists().where(
                AuditPurge.block == BLOCKS.c.number, AuditPurge.retention_class == kind
            )
            query = select(BLOCKS).where(
                BLOCKS.c.sealed_at < now - kept_for,
                BLOCKS.c.number < select(func.max(AuditBlock.number)).scalar_subquery(),
                ~done,
            )
            blocks = sql.execute(query.order_by(BLOCKS.c.number).limit(BLOCKS_AT_ONCE)).all()
            if blocks:
                return kind, blocks
        return None

    def thin(
        self, sql: Sql, kind: RetentionClass, blocks: Sequence[Row[Any]], now: datetime
    ) -> int:
        """Remove the events of that class from these blocks; return how many there were."""
        count = 0
        purges = [self._purge(sql, kind, row, now) for row in blocks]
        with writing(sql):
            for purge in purges:
                ids = purge.event_ids()
                sql.execute(delete(EVENTS).where(EVENTS.c.id.in_(ids)))
                sql.execute(delete(AuditedPatient).where(AuditedPatient.event_id.in_(ids)))
                seal = self._key.vouch(purge)
                sql.execute(insert(AuditPurge).values(vars(purge) | {"seal": seal}))
                count += len(ids)
            if count:
                record(
                    sql,
                    Event.AUDIT_PRUNED,
                    now=now,
                    actor=self._actor,
                    events=count,
                    retention_class=str(kind),
                    through_seq=block_in(blocks[-1]).last_seq,
                )
        log.info("audit_pruned", events=count, retention_class=str(kind))
        return count

    def _purge(self, sql: Sql, kind: RetentionClass, row: Row[Any], now: datetime) -> Purge:
        there = events_of(sql, chain.read_ids(row.ids))
        old = [event for event in there.values() if class_of(event["event"]) is kind]
        old.sort(key=lambda event: int(event["id"]))
        kept = b"".join(digest or bytes(32) for digest in digests_of(sql, old))
        ids = chain.spell_ids([event["id"] for event in old]) if old else ""
        return Purge(row.number, str(kind), ids, kept, now, self._key.id)
