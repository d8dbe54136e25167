"""Verifying without anybody asking: in pieces, between which other chores have their turn.

What was reached stands in the database after each piece, so that whoever is killed is gone on from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..database import writing
from .chain import Block
from .checkpoints import read_outside
from .events import Event, Outcome
from .faults import Report
from .keys import AuditKeys
from .models import AuditVerification
from .passes import Pass, first_pass, next_pass
from .record import record
from .verifying import Verifier

log = structlog.get_logger(__name__)

PIECE_SECONDS = 0.5
_LOOKED_BACK = 50
_FIELDS = Pass.__dataclass_fields__


class Nightly:
    """Goes on with the verification that is due, or begins one."""

    def __init__(
        self,
        keys: AuditKeys,
        actor: str,
        *,
        file: str = "",
        late: timedelta,
        piece_seconds: float = PIECE_SECONDS,
    ) -> None:
        """`late`: how old an event may be that is not sealed."""
        self._keys = keys
        self._actor = actor
        self._files = (Path(file),) if file else ()
        self._late = late
        self._piece_seconds = piece_seconds
        self._run: _Run | None = None

    def go_on(self, sql: Sql, now: datetime) -> tuple[int, bool]:
        """Verify for a moment; return how many events, and whether something is left.

        Raises SQLAlchemyError, after which it is gone on from what is stored.
        """
        run, self._run = self._run or self._begin(sql, now), None
        before = run.report.events
        last = run.go_on(clock.monotonic() + self._piece_seconds)
        sql.rollback()
        told = told_of(run.begun, run.report, last, now if run.is_over else None)
        events = run.report.events - before
        if not _keep(sql, self._keys, run.row_id, told):
            return events, True  # another has brought it to its end: the next piece begins anew
        if not run.is_over:
            self._run = run
        return events, not run.is_over

    def _begin(self, sql: Sql, now: datetime) -> "_Run":
        known = _known(sql, self._keys)
        todo = next_pass([each for _, each in known], self._actor, self._keys.current.id, now)
        row_id = next((number for number, each in known if each == todo), None)
        if row_id is None:
            with writing(sql):
                row_id = _insert(sql, self._keys, todo)
        outside, unread = read_outside(self._files)
        verifier = Verifier(
            sql,
            self._keys,
            lambda _: None,
            sealed_until=now - self._late,
            looks_into=lambda block: block.number > todo.through_block,
            remembered=todo.reached(),
        )
        verifier.report.faults += unread
        return _Run(row_id, todo, verifier.report, verifier.steps(outside))


class _Run:
    """A verification under way."""

    def __init__(self, row_id: int, begun: Pass, report: Report, steps: Iterator[Block]) -> None:
        self.row_id = row_id
        self.report = report
        self.is_over = False
        self.begun = begun
        self._steps = steps
        self._last: Block | None = None

    def go_on(self, until: float) -> Block | None:
        """Verify blocks until that moment of the monotonic clock; return the last of all so far."""
        for block in self._steps:
            self._last = block
            if clock.monotonic() >= until:
                return block
        self.is_over = True
        return self._last


def told_of(begun: Pass, report: Report, last: Block | None, finished_at: datetime | None) -> Pass:
    """Return how far a verification is by now."""
    told = replace(begun, events=begun.events + report.events, finished_at=finished_at)
    if last is not None and last.number > begun.through_block:
        head = last.head()
        told = replace(told, through_block=last.number, last_seq=last.last_seq, head=head)
    return told.with_faults(report.faults)


def keep_whole(
    sql: Sql, keys: AuditKeys, report: Report, last: Block | None, actor: str, began_at: datetime
) -> None:
    """Store a whole verification that somebody has asked for, and leave its event."""
    begun = first_pass(actor, keys.current.id, began_at)
    with writing(sql):
        row_id = _insert(sql, keys, begun)
    _keep(sql, keys, row_id, told_of(begun, report, last, clock.now()))


def last_passes(sql: Sql) -> dict[bool, Mapping[str, Any]]:
    """Return the last whole verification and the last of any kind that came to its end.

    By whether it was whole. What the rows say is believed: only who has the key can check it.
    """
    found: dict[bool, Mapping[str, Any]] = {}
    over = select(AuditVerification).where(AuditVerification.finished_at.is_not(None))
    newest = over.order_by(AuditVerification.id.desc()).limit(1)
    for whole, query in ((False, newest), (True, newest.where(AuditVerification.whole))):
        if (row := sql.scalar(query)) is not None:
            found[whole] = {name: getattr(row, name) for name in _FIELDS}
    return found


def found_of_late(sql: Sql) -> int:
    """Return how much the last whole verification found, or one after it, if that is more."""
    whole = select(func.max(AuditVerification.id)).where(
        AuditVerification.whole, AuditVerification.finished_at.is_not(None)
    )
    since = AuditVerification.id >= func.coalesce(whole.scalar_subquery(), 0)
    return sql.scalar(select(func.max(AuditVerification.found)).where(since)) or 0


def _known(sql: Sql, keys: AuditKeys) -> list[tuple[int, Pass]]:
    """Return the last verifications for which our key vouches, the newest first."""
    newest = select(AuditVerification).order_by(AuditVerification.id.desc()).limit(_LOOKED_BACK)
    rows = [
        (row.id, Pass(**{name: getattr(row, name) for name in _FIELDS}), row.seal)
        for row in sql.scalars(newest)
    ]
    sql.rollback()
    return [(number, each) for number, each, seal in rows if _is_ours(keys, each, seal)]


def _is_ours(keys: AuditKeys, told: Pass, seal: bytes) -> bool:
    try:
        return told.key_id == keys.current.id and keys.current.has_vouched(told, seal)
    except TypeError:  # faults that have no spelling were written by somebody else
        return False


def _insert(sql: Sql, keys: AuditKeys, begun: Pass) -> int:
    stored = insert(AuditVerification).values(_row(keys, begun))
    row_id: int = sql.execute(stored.returning(AuditVerification.id)).scalar_one()
    return row_id


def _row(keys: AuditKeys, told: Pass) -> dict[str, Any]:
    return vars(told) | {"seal": keys.current.vouch(told)}


def _keep(sql: Sql, keys: AuditKeys, row_id: int, told: Pass) -> bool:
    """Store how far it is; who brings it to its end leaves the event, once.

    Return whether nobody else had brought it to its end.
    """
    still = (AuditVerification.id == row_id, AuditVerification.finished_at.is_(None))
    change = update(AuditVerification).where(*still).values(_row(keys, told))
    with writing(sql):
        ours = sql.execute(change.returning(AuditVerification.id)).all()
        if ours and told.finished_at is not None:
            _record(sql, told, told.finished_at)
    return bool(ours)


def _record(sql: Sql, told: Pass, now: datetime) -> None:
    first = told.faults[0]["fault"] if told.faults else None
    record(
        sql,
        Event.AUDIT_VERIFIED,
        now=now,
        outcome=Outcome.ALERT if told.found else Outcome.SUCCESS,
        actor=told.actor,
        whole=told.whole,
        events=told.events,
        last_seq=told.last_seq,
        faults=told.found,
        first_fault=first,
    )
    if told.found:
        log.error("audit_not_whole", faults=told.found, first_fault=first)
    else:
        log.info("audit_verified", whole=told.whole, events=told.events)
