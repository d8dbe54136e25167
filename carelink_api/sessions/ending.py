"""Ending sessions: in SQL with a change number, then in Redis and in this worker's memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event, Outcome
from ..audit.record import record_each
from .changes import take_change_number
from .denylist import Entry
from .models import SESSIONS, Session
from .reasons import EndReason
from .runtime import Runtime, runtime

MAX_BATCH = 1000
"""Rows that one change number, and so one short transaction, may cover."""

_EVENT = {
    EndReason.LOGGED_OUT: Event.SESSION_LOGGED_OUT,
    EndReason.REUSED: Event.SESSION_REUSED,
    EndReason.SESSION_EXPIRED: Event.SESSION_EXPIRED,
    EndReason.IDLE: Event.SESSION_EXPIRED,
    EndReason.SHIFT_ENDED: Event.SESSION_EXPIRED,
}


def end_sessions(
    sql: Sql,
    *which: ColumnElement[bool],
    reason: EndReason,
    now: datetime,
    actor: str | None,
    jti: str | None = None,
    **detail: Any,
) -> list[Entry]:
    """End the live sessions that match; return what Redis has to learn. One event for each.

    Takes the change number before it locks a session row, so that numbers commit in order.
    """
    number = take_change_number(sql)
    end = update(SESSIONS).where(*which, SESSIONS.c.ended_at.is_(None))
    ended = sql.connection().execute(
        end.values(ended_at=now, end_reason=reason, refuse_from=now, change_number=number)
        .returning(SESSIONS.c.id, SESSIONS.c.latest_expires_at)
    ).all()  # fmt: skip
    if ended:
        record_each(
            sql,
            _EVENT.get(reason, Event.SESSION_REVOKED),
            select(Session.user_id, Session.id).where(Session.change_number == number),
            len(ended),
            now=now,
            outcome=Outcome.ALERT if reason is EndReason.REUSED else Outcome.SUCCESS,
            reason=reason,
            actor=actor,
            jti=jti,
            **detail,
        )
    return [Entry(sid, reason, now, until) for sid, until in ended]


def publish(entries: Sequence[Entry]) -> bool:
    """Tell this worker and Redis what has been ended and committed; return whether Redis took it.

    False means pending: the housekeeper writes it later, and the pulse makes it hold meanwhile.
    """
    return publish_by(runtime(), entries)


def publish_by(parts: Runtime, entries: Sequence[Entry]) -> bool:
    """Do the same where no application's context is at hand."""
    if not entries:
        return True
    parts.pulse.remember(entries)
    return parts.denylist.publish(entries, announce=True)
