"""Use case of operators: follow the audit trail, without what is about patients.

By polling and not as a stream (server-sent events): a worker serves each connection with a thread,
of which it has some tens; a few consoles left open overnight would hold them all.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import lazyload

from ...accounts.models import User, UserType
from ...audit.events import Event, Outcome
from ...audit.models import AuditEvent
from ...database import writing
from ...sessions.acts import record_act
from ...sessions.claims import AccessClaims
from .operating import demand_operator
from .session_list import person

SHOWN = frozenset(
    event
    for event in Event
    if event.partition(":")[0]
    in ("login", "session", "token", "user", "unit", "shift", "denylist", "sessions", "trail",
        "revocation", "operation")
) | {Event.BREAK_GLASS_OPENED}  # fmt: skip
"""Everything that is not about a patient; that the glass was broken, but not whose record."""
ROUTINE = frozenset({
    Event.LOGIN_SUCCEEDED, Event.SESSION_REFRESHED, Event.SESSION_KEPT, Event.SESSION_REISSUED,
    Event.SESSION_LOGGED_OUT, Event.SESSION_REVOKED, Event.SESSION_EXPIRED,
    Event.SESSIONS_SEARCHED, Event.TRAIL_READ,
})  # fmt: skip
"""Thousands a minute, where they succeed. Of a revocation there are events of its own."""
_DETAIL = frozenset({
    "at_most", "by", "ended", "generations_back", "late_streak", "limit", "profile", "purpose",
    "reason_code", "remaining", "scope", "selected", "selection", "sessions", "tokens", "unit",
    "unit_id", "user_type",
})  # fmt: skip
"""What else is said of an event: what the service itself has written, and no text of people's."""
_OWN_WORDS = frozenset(
    {Event.REVOCATION_PREVIEWED, Event.REVOCATION_BEGUN, Event.REVOCATION_FINISHED,
     Event.DENYLIST_FLUSHED}
)  # fmt: skip
"""Events whose `why` an operator has written."""
SETTLED_AFTER = timedelta(seconds=10)
"""Ids are given out before transactions commit: what is younger may still be joined by an older."""
_FOLLOWS_WITHIN = timedelta(minutes=2)
"""How far back a page that goes on asking sees something new; a hidden tab asks once a minute."""
_LOOKS_BACK = timedelta(hours=1)
_LOOKS_BACK_AT_ONE = timedelta(days=30)


def follow_trail(
    sql: Sql,
    claims: AccessClaims,
    *,
    now: datetime,
    limit: int,
    kind: str,
    after: int | None = None,
    **about: Any,
) -> dict[str, Any]:
    """Return the newest events after an id, the oldest first. Raises Forbidden.

    That somebody begins to read is audited, and every look at what is older than a page would see
    that goes on asking; that it goes on asking is not.
    """
    demand_operator(sql, claims, now=now)
    rows = sql.execute(_newest(now, after, kind, about).limit(limit + 1)).all()
    skipped, rows = len(rows) > limit, rows[:limit]
    names = _actors(sql, [row[0] for row in rows])
    oldest = rows[-1][0].recorded_at if rows else now
    if after is None or oldest < now - _FOLLOWS_WITHIN:
        with writing(sql):
            record_act(sql, claims, Event.TRAIL_READ, now=now, by=sorted(about))
    return {
        "items": [_shown(row, names) for row in reversed(rows)],
        "next_after": _settled([row[0] for row in rows], after or 0, now),
        "skipped": skipped,
    }


def _newest(
    now: datetime, after: int | None, kind: str, about: dict[str, Any]
) -> Select[*tuple[Any, ...]]:
    """By time and not by id: where few events match, the index on it bounds what is read."""
    span = _LOOKS_BACK_AT_ONE if about else _LOOKS_BACK
    found = (
        select(AuditEvent, User)
        .outerjoin(User, User.id == AuditEvent.user_id)
        .options(lazyload(User.unit))
        .where(AuditEvent.recorded_at > now - span, _of_kind(kind))
        .order_by(AuditEvent.recorded_at.desc(), AuditEvent.id.desc())
    )
    if after:
        found = found.where(AuditEvent.id > after)
    if "user_id" in about:
        found = found.where(AuditEvent.user_id == about["user_id"])
    if "session" in about:
        found = found.where(AuditEvent.sid == about["session"])
    return found


def _of_kind(kind: str) -> ColumnElement[bool]:
    shown = AuditEvent.event.in_(sorted(SHOWN))
    match kind:
        case "alerts":
            return shown & (AuditEvent.outcome == Outcome.ALERT)
        case "notable":
            succeeded = AuditEvent.outcome == Outcome.SUCCESS
            return shown & or_(~succeeded, AuditEvent.event.in_(sorted(SHOWN - ROUTINE)))
        case _:
            return shown


def _settled(found: Sequence[AuditEvent], after: int, now: datetime) -> int:
    """Return from where the next question goes on."""
    settled = [event.id for event in found if event.recorded_at < now - SETTLED_AFTER]
    return max([after, *settled])


def _actors(sql: Sql, found: Sequence[AuditEvent]) -> dict[str, str | None]:
    """Return who acted, by name; patients have none."""
    texts = {(event.actor or "").removeprefix("user:") for event in found}
    ids = {int(text) for text in texts if text.isdigit()}
    asked = select(User.id, User.name).where(User.id.in_(ids), User.user_type != UserType.PATIENT)
    return {f"user:{row.id}": row.name for row in sql.execute(asked)} if ids else {}


def _shown(row: Row[*tuple[Any, ...]], names: dict[str, str | None]) -> dict[str, Any]:
    event, user = row
    of_patient = user is not None and user.user_type == UserType.PATIENT
    said = _DETAIL | {"why"} if event.event in _OWN_WORDS else _DETAIL
    return {
        "id": event.id,
        "at": event.recorded_at,
        "event": event.event,
        "outcome": event.outcome,
        "reason": event.reason,
        "actor": event.actor,
        "actor_name": names.get(event.actor),
        "user": user and person(user),
        "session": event.sid,
        "address": None if of_patient else event.address,
        "request_id": event.request_id,
        "detail": {name: value for name, value in (event.detail or {}).items() if name in said},
    }
