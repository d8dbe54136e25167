"""The end of an emergency access that nobody has given back: noted by the housekeeper, once."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, not_, select
from sqlalchemy.orm import Session as Sql

from ...audit.canonical import moment
from ...audit.events import Event
from ...audit.record import HOUSEKEEPER, record
from ...database import writing
from ...sessions.models import Session
from ..access import Tie
from .holding import holds
from .models import BreakGlassGrant
from .rules import GrantEnd, end_of

MOST = 200
_WITH_SESSION = select(
    BreakGlassGrant, Session.ended_at, Session.refuse_from, Session.expires_at
).outerjoin(Session, Session.id == BreakGlassGrant.sid)


def note_ends(sql: Sql, now: datetime) -> bool:
    """Note which grants time or their session has ended, with one event each (IHE 110138).

    Return whether there may be more. Of two who do this at once one notes an end.
    """
    not_noted = BreakGlassGrant.ended_at.is_(None)
    over = select(BreakGlassGrant.id).where(not_noted, not_(holds(now)))
    which = sql.scalars(over.limit(MOST)).all()
    if not which:
        return False
    with writing(sql):
        asked = _WITH_SESSION.where(BreakGlassGrant.id.in_(which), not_noted)
        locked = asked.with_for_update(of=BreakGlassGrant, skip_locked=True)
        for row in sql.execute(locked.order_by(BreakGlassGrant.id)).all():
            _note(sql, row, now)
    return len(which) == MOST


def end_or_give_back(sql: Sql, grant: BreakGlassGrant, now: datetime) -> tuple[datetime, GrantEnd]:
    """Return when and how a locked grant has ended; where nothing has, its holder ends it now."""
    asked = _WITH_SESSION.where(BreakGlassGrant.id == grant.id)
    return _end(sql.execute(asked).one(), now) or (now, GrantEnd.GIVEN_BACK)


def _note(sql: Sql, row: Row[*tuple[Any, ...]], now: datetime) -> None:
    grant: BreakGlassGrant = row[0]
    end = _end(row, now)
    if end is None:
        return
    grant.ended_at, grant.end_reason = end
    record(
        sql,
        Event.BREAK_GLASS_ENDED,
        now=now,
        reason=grant.end_reason,
        actor=HOUSEKEEPER,
        user_id=grant.user_id,
        sid=grant.sid,
        patient_ids=[grant.patient_id],
        occurred_at=moment(grant.ended_at),
        basis=str(Tie.BREAK_GLASS),
        basis_id=grant.id,
    )


def _end(row: Row[*tuple[Any, ...]], now: datetime) -> tuple[datetime, GrantEnd] | None:
    grant, ended_at, refuse_from, expires_at = row
    # Without a row nobody knows since when the session is over: at the latest since now.
    ends = (ended_at, refuse_from, expires_at or now)
    return end_of(grant.opened_at, grant.expires_at, ends, now)
