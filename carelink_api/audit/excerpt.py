"""Verify what is about to be handed on: the chain, and the blocks of its period.

Of the whole period, whoever it is about: an event that was removed, or says of somebody else that
it is about them, is in no selection any more.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from . import chain
from .chain import Block
from .checkpoints import Signed
from .event_check import LATE
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

    of_period = _Period(which)

    def matters(block: Block) -> bool:
        return of_period.may_hold(block) or any(
            (at := bisect_left(ids, first)) < len(ids) and ids[at] <= last
            for first, last in chain.read_ranges(block.ids)
        )

    verifier = Verifier(sql, keys, advance, sealed_until=sealed_until, looks_into=matters)
    report = verifier.run(outside)
    report.faults += unread
    return report


class _Period:
    """Says of one block after the other whether events of a period were sealed in it.

    By when it was sealed, and the one before it: what its events say now may not be true.
    """

    def __init__(self, which: Filter) -> None:
        self._since, self._until = which.since, which.until
        self._sealed_before: datetime | None = None

    def may_hold(self, block: Block) -> bool:
        begins, self._sealed_before = self._sealed_before, block.sealed_at
        is_too_old = self._since is not None and block.sealed_at + LATE < self._since
        is_too_new = self._until and begins and begins - LATE >= self._until
        return not is_too_old and not is_too_new
