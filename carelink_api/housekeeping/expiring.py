"""Ending sessions whose time has come, and those that only Redis knows to have ended."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from flask import current_app
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session as Sql

from ..audit.record import HOUSEKEEPER
from ..config import Settings
from ..database import writing
from ..sessions.ending import MAX_BATCH, end_sessions, publish
from ..sessions.lifetimes import IDLE_NOTICE
from ..sessions.models import Session
from ..sessions.reasons import EndReason

EXTENSION = "carelink.also_expires"
"""Where an application keeps what else time ends, or a session's end: what a part above this one
has to do, each a piece at a time, and whether there may be more."""
Expire = Callable[[Sql, datetime], bool]


def end_overdue(sql: Sql, settings: Settings, now: datetime, batches: int) -> tuple[int, bool]:
    """End sessions whose time has come; return how many, and whether some are left.

    At most so many batches of `MAX_BATCH`: who wants to be published must not wait for a million.
    """
    ended = 0
    for reason, over in _overdue(settings, now):
        for count in _end_batches(sql, reason, over, now):
            ended += count
            batches -= 1
            if batches <= 0:
                return ended, True
    return ended, False


def end_what_hangs_on_them(sql: Sql, now: datetime) -> bool:
    """Do a piece of each of them; return whether some is left."""
    parts: Sequence[Expire] = current_app.extensions[EXTENSION]
    left = [expire(sql, now) for expire in parts]  # all of them
    return any(left)


def _overdue(current: Settings, now: datetime) -> Iterator[tuple[EndReason, ColumnElement[bool]]]:
    """Yield each way in which time ends a session, and which sessions it has ended by `now`."""
    yield EndReason.SHIFT_ENDED, Session.shift_ends_at <= now
    yield EndReason.SESSION_EXPIRED, Session.expires_at <= now
    idle = []
    for name, profile in current.session_profiles.by_name().items():
        if profile.idle is not None:
            deadline = now - profile.idle - IDLE_NOTICE
            idle.append((Session.profile == name) & (Session.last_active_at < deadline))
    if idle:
        yield EndReason.IDLE, or_(*idle)


def _end_batches(
    sql: Sql, reason: EndReason, over: ColumnElement[bool], now: datetime
) -> Iterator[int]:
    while True:
        with writing(sql):
            live = select(Session.id).where(over, Session.ended_at.is_(None)).limit(MAX_BATCH)
            sids = sql.scalars(live).all()
            if not sids:
                return
            # Asked again in the UPDATE: activity may have been written meanwhile.
            which = (Session.id.in_(sids), over)
            entries = end_sessions(sql, *which, reason=reason, now=now, actor=HOUSEKEEPER)
        publish([entry for entry in entries if entry.until > now])
        yield len(entries)


def end_forgotten(sql: Sql, sids: Sequence[str], now: datetime) -> int:
    """End again what a restored database has forgotten to have ended; return how many."""
    with writing(sql):
        entries = end_sessions(
            sql,
            Session.id.in_(sids),
            reason=EndReason.REVOKED,
            now=now,
            actor=HOUSEKEEPER,
            why="Redis held it as ended, the database did not",
        )
    publish(entries)
    return len(entries)
