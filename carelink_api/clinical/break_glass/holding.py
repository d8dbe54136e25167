"""How long a grant holds, and which await a review, in SQL."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_

from ...sessions.models import Session
from .models import BreakGlassGrant

AWAITING = or_(BreakGlassGrant.outcome.is_(None), BreakGlassGrant.outcome == "unclear")
"""Nobody has settled it yet."""


def holds(now: Any) -> ColumnElement[bool]:
    """Return the condition that a grant is open: by time, not given back, and its session lives.

    `now` is a time, or the place of one in a statement.

    The session's row itself is asked, so a grant ends when that end commits, in every worker.
    """
    session_lives = exists().where(
        Session.id == BreakGlassGrant.sid,
        Session.ended_at.is_(None),
        Session.expires_at > now,
        or_(Session.refuse_from.is_(None), Session.refuse_from > now),
    )
    open_by_time = (BreakGlassGrant.ended_at.is_(None), BreakGlassGrant.expires_at > now)
    return and_(*open_by_time, session_lives)
