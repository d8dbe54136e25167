"""What the auth blueprint answers, as plain dictionaries of the shapes in `schemas`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ..sessions.grants import Grant
from ..sessions.models import Session
from ..sessions.rows import Loaded, SessionFacts, UserFacts

Answer = dict[str, Any]


def access(grant: Grant, token: str) -> Answer:
    """The answer of a login and, with `reissued`, of a refresh; the refresh token is not in it."""
    expires = grant.access_expires
    answer = {
        "access": token,
        "expires_in": int(expires.at.timestamp()) - int(grant.issued_at.timestamp()),
        "access_expires_at": expires.at,
        "refresh_expires_at": grant.session.expires_at,
        "session": session(grant.session),
        "user": user(grant.user),
    }
    return answer | {"access_capped_by": "idle"} if expires.capped_by_idle else answer


def me(row: Loaded, now: datetime, handoff: timedelta) -> Answer:
    shift_and_handoff_end_at = row.session.shift_ends_at
    shift_ends_at = shift_and_handoff_end_at and shift_and_handoff_end_at - handoff
    return {
        "user": user(row.user),
        "session": session(row.session),
        "password_changed_at": row.password_changed_at,
        "seconds_left": {
            "idle": _seconds(row.lineage.idle_at, now),
            "absolute": _seconds(row.session.expires_at, now),
            "shift": _seconds(shift_and_handoff_end_at, now),
            "handoff": _seconds(shift_ends_at, now),
        },
    }


def own_sessions(
    rows: Sequence[Session], total: int, current_sid: str, page: int, page_size: int
) -> Answer:
    items = [_own_session(row) | {"current": row.id == current_sid} for row in rows]
    return {"items": items, "total": total, "page": page, "page_size": page_size}


def user(facts: UserFacts) -> Answer:
    return {
        "id": facts.id,
        "email": facts.email,
        "name": facts.name,
        "user_type": facts.user_type,
        "unit": facts.unit,
    }


def session(facts: SessionFacts) -> Answer:
    shift = None
    if facts.shift_id is not None and facts.shift_ends_at is not None:
        shift = {"id": facts.shift_id, "ends_at": facts.shift_ends_at}
    return {
        "id": facts.id,
        "profile": facts.profile,
        "started_at": facts.started_at,
        "expires_at": facts.expires_at,
        "idle_timeout_seconds": facts.idle_timeout_seconds,
        "shift": shift,
    }


def ended(answer: Answer, *, redis_knows: bool) -> tuple[Answer, int]:
    """200, or 202 while Redis has not taken what SQL has committed."""
    return (answer, 200) if redis_knows else (answer | {"pending": True}, 202)


def _own_session(row: Session) -> Answer:
    return {
        "id": row.id,
        "profile": row.profile,
        "device_name": row.device_name,
        "address": row.address,
        "started_at": row.started_at,
        "last_active_at": row.last_active_at,
        "expires_at": row.expires_at,
        "ended_at": row.ended_at,
        "end_reason": row.end_reason,
    }


def _seconds(at: datetime | None, now: datetime) -> int | None:
    return None if at is None else max(0, int((at - now).total_seconds()))
