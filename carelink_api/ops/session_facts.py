"""What operations say about a session, on the command line and in the console."""

from datetime import datetime
from typing import Any

from ..config import Settings
from ..sessions.lifetimes import idle_deadline
from ..sessions.models import Session


def facts(session: Session, settings: Settings, now: datetime) -> dict[str, Any]:
    """Return what is known of the session itself; nothing of its user but the id."""
    idle_at = _idle_at(session, settings)
    return {
        "sid": session.id,
        "user_id": session.user_id,
        "profile": session.profile,
        "device_name": session.device_name,
        "address": session.address,
        "started_at": session.started_at,
        "last_active_at": session.last_active_at,
        "idle_at": idle_at,
        "expires_at": session.expires_at,
        "shift_ends_at": session.shift_ends_at,
        "refuse_from": session.refuse_from,
        "generation": session.generation,
        "state": _state(session, idle_at, now),
    }


def _idle_at(session: Session, settings: Settings) -> datetime | None:
    return idle_deadline(session.last_active_at, settings.session_profiles[session.profile].idle)


def _state(session: Session, idle_at: datetime | None, now: datetime) -> str:
    """Return `live`, `ended`, or why it is refused before the housekeeper has ended it."""
    if session.ended_at is not None:
        return "ended"
    if session.refuse_from is not None and session.refuse_from <= now:
        return "refused"
    return "idle" if idle_at is not None and idle_at < now else "live"
