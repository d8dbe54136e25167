"""Verify what is about to be handed on: the chain, and the blocks of which something is taken."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from . import chain
from .chain import Block
from .checkpoints import Signed
from .faults import Found, Report
from .keys import AuditKeys
from .reading import Filter
from .stored import EVENTS
from .verifying import Verifier


def newest_id(sql: Sql) -> int:
    """Return the id of the newest event; 0 where there is none."""
    return sql.scalar(select(func.max(EVENTS.c.id))) or 0


def verify_excerpt(
    sql: Sql,
    keys: AuditKeys,
    which: Filter,
    through: int,
    advance: Callable[[int], None],
    *,
    sealed_until: datetime,
    outside: Iterable[Signed],
    unread: Sequence[Found] = (),
) -> Report:
    """Verify the events that match, up to an id; what is not sealed yet is only counted."""
    chosen = select(EVENTS.c.id).where(*which.conditions(), EVENTS.c.id <= through)
    ids = array("q", sql.scalars(chosen.order_by(EVENTS.c.id)))
    sql.rollback()

    def is_taken_of(block: Block) -> bool:
        return any(
            (at := bisect_left(ids, first)) < len(ids) and ids[at] <= last
            for first, last in chain.read_ranges(block.ids)
        )

    verifier = Verifier(sql, keys, advance, sealed_until=sealed_until, looks_into=is_taken_of)
    report = verifier.run(outside)
    report.faults += unread
    return report
