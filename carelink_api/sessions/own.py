"""Use cases on one's own sessions: log out, log out everywhere, list, end one, look at this one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import acting
from ..database import from_epoch, writing
from ..errors import NotFound, TokenNotValid
from ..extensions import settings
from .acts import record_refusal
from .claims import AccessClaims, Claims
from .denylist import Entry
from .ending import end_sessions, publish
from .models import Session
from .reasons import EndReason
from .rows import Loaded, load
from .runtime import runtime

LISTED_FOR = timedelta(days=30)
"""How long ended sessions stay in the list, so that a user can see why they ended."""


def log_out(sql: Sql, presented: Claims, *, now: datetime) -> bool:
    """End the session of a token, expired or not; return whether Redis knows.

    A session that has ended already is no error (RFC 7009 §2.2). The refresh token's `jti` and the
    presented one are listed beside the session, for operators and other readers.
    """
    with writing(sql):
        this = Session.id == presented.sid
        entries = _end(sql, presented.user_id, this, now=now, jti=presented.jti)
        current = _current_refresh(sql, presented.sid) if entries else None
    if not entries:
        return True
    tokens = {presented.jti: from_epoch(presented.expires_at)} | (current or {})
    listed = [
        Entry(presented.sid, EndReason.LOGGED_OUT, now, until, jti) for jti, until in tokens.items()
    ]
    return publish([*entries, *listed])


def log_out_everywhere(sql: Sql, user_id: int, *, now: datetime) -> tuple[int, bool]:
    """End every session of the user; return how many, and whether Redis knows."""
    with writing(sql):
        entries = _end(sql, user_id, now=now)
    return len(entries), publish(entries)


def end_own(sql: Sql, claims: AccessClaims, sid: str, *, now: datetime) -> bool:
    """End one of the bearer's sessions; return whether Redis knows.

    Raises NotFound for what is not the bearer's, or has ended: the two look alike, and each leaves
    an event, which alone says whose it was.
    """
    with writing(sql):
        entries = _end(sql, claims.user_id, Session.id == sid, now=now)
    if not entries:
        whose = sql.scalar(select(Session.user_id).where(Session.id == sid))
        told: dict[str, Any] = {} if whose is None else {"asked_for": sid, "of_user": whose}
        record_refusal(sql, claims, Event.SESSION_END_REFUSED, "not_found", now=now, **told)
        raise NotFound()
    return publish(entries)


def end_replaced(sql: Sql, sid: str, *, by: int, now: datetime) -> bool:
    """End the session whose cookie the login of somebody else has replaced; return as above.

    Its refresh token is gone with the cookie, and who has left the workstation to the next user
    must not stay logged in there.
    """
    with writing(sql):
        this = Session.id == sid
        reason, actor = EndReason.REVOKED, acting(by)
        entries = end_sessions(sql, this, reason=reason, now=now, actor=actor, because="replaced")
    return publish(entries)


def list_own(
    sql: Sql, user_id: int, *, page: int, page_size: int, now: datetime
) -> tuple[Sequence[Session], int]:
    """Return a page of the user's sessions, live ones first, then newest first; and how many."""
    own = (Session.user_id == user_id, Session.started_at > now - LISTED_FOR)
    rows = sql.scalars(
        select(Session)
        .where(*own)
        .order_by(Session.ended_at.is_(None).desc(), Session.started_at.desc(), Session.id)
        .offset((page - 1) * page_size)
        .limit(page_size)
    )
    total = sql.scalar(select(func.count()).select_from(Session).where(*own))
    return rows.all(), total or 0


def remembered(claims: AccessClaims) -> Loaded | None:
    """Return what `look_at_own` has found for this token and may still say, or None."""
    return runtime().own_sessions.get(claims.jti)


def look_at_own(sql: Sql, claims: AccessClaims) -> Loaded:
    """Return the session of an access token. Raises TokenNotValid where the row is lost.

    Remembered, so that asking again with the same token costs no SQL; but where idle is on or a
    shift may move, what matters changes, and the row is read each time.
    """
    row = load(sql.connection(), claims.sid, settings())
    if row is None:
        raise TokenNotValid(EndReason.REVOKED)
    if row.lineage.idle is None and row.session.shift_id is None:
        runtime().own_sessions.put(claims.jti, row)
    return row


def _end(
    sql: Sql, user_id: int, *which: ColumnElement[bool], now: datetime, jti: str | None = None
) -> list[Entry]:
    """End those of the user's live sessions that match, by the user's own act."""
    own = (Session.user_id == user_id, *which)
    reason, actor = EndReason.LOGGED_OUT, acting(user_id)
    return end_sessions(sql, *own, reason=reason, now=now, actor=actor, jti=jti)


def _current_refresh(sql: Sql, sid: str) -> dict[str, datetime]:
    row = sql.execute(
        select(Session.refresh_jti, Session.expires_at).where(Session.id == sid)
    ).one()
    return {row.refresh_jti: row.expires_at}
