"""Runs of `sessions revoke` in the audit trail: one that was cut off goes on under its own name.

Whoever kills the command loses nothing but its report. The next one with the same selection and the
same reason says what the earlier ones have done, by the events of the sessions themselves.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.models import OF_REVOCATIONS, AuditEvent
from ..audit.record import record
from ..database import writing
from ..sessions.revoking import Selection
from .output import CLI_ACTOR

TAKEN_UP_WITHIN = timedelta(hours=24)
_EVENTS_AT_ONCE = 100_000
_RUN = AuditEvent.detail["run"].as_string()


@dataclass(frozen=True)
class Run:
    """One act of revoking, by one command or by several, of which the earlier ones were cut off."""

    id: str
    selection: Selection
    why: str
    cut_off: int | None = None
    """The event with which the first of the earlier ones began; None: there is none."""


def begin(sql: Sql, selection: Selection, why: str, selected: int, *, now: datetime) -> Run:
    """Say in the trail what is about to be done, before anything ends; return what it goes on."""
    with writing(sql):
        run = _cut_off(sql, selection, why, now) or Run(secrets.token_hex(6), selection, why)
        _record(sql, Event.REVOCATION_BEGUN, run, now, selected=selected)
    return run


def ended_before(sql: Sql, run: Run) -> int:
    """Count the sessions that earlier commands of this run have ended. Call it before it ends more.

    The trail is read in short statements: there may be very many.
    """
    if run.cut_off is None:
        return 0
    newest = sql.scalar(select(func.max(AuditEvent.id))) or 0
    found = sum(_counted(sql, run, run.cut_off, newest))
    sql.rollback()
    return found


def finish(sql: Sql, run: Run, *, now: datetime, **counts: int) -> None:
    """Say how far it came; `remaining=0` is what makes it finished."""
    with writing(sql):
        _record(sql, Event.REVOCATION_FINISHED, run, now, **counts)


def _record(sql: Sql, event: Event, run: Run, now: datetime, **detail: Any) -> None:
    told: dict[str, Any] = {"run": run.id, "selection": run.selection.described(), "why": run.why}
    record(sql, event, now=now, actor=CLI_ACTOR, **told, **detail)


def _cut_off(sql: Sql, selection: Selection, why: str, now: datetime) -> Run | None:
    """Return the newest run of this selection and reason, if it has not been finished."""
    lately = (
        select(AuditEvent.id, AuditEvent.event, AuditEvent.detail)
        .where(text(OF_REVOCATIONS), AuditEvent.actor == CLI_ACTOR)
        .where(AuditEvent.recorded_at.between(now - TAKEN_UP_WITHIN, now))
        .order_by(AuditEvent.id)
    )
    found: Run | None = None
    for id, event, detail in sql.execute(lately):
        told = detail or {}
        if (told.get("selection"), told.get("why")) != (selection.described(), why):
            continue
        if event == Event.REVOCATION_FINISHED and not told.get("remaining"):
            found = None
        elif found is None:
            found = Run(told.get("run", ""), selection, why, id)
    return found


def _counted(sql: Sql, run: Run, first: int, newest: int) -> Iterator[int]:
    ended = select(func.count()).where(
        AuditEvent.event == Event.SESSION_REVOKED, AuditEvent.actor == CLI_ACTOR, run.id == _RUN
    )
    for start in range(first, newest + 1, _EVENTS_AT_ONCE):
        some = AuditEvent.id.between(start, min(start + _EVENTS_AT_ONCE - 1, newest))
        yield sql.scalar(ended.where(some)) or 0
