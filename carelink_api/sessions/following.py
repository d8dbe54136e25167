"""What a change of the roster does to live sessions (`docs/design.md`, sections 3 and 5).

An end moved nearer holds within a second in every worker: it is `refuse_from`, which may lie
ahead. An end moved away shows at the next refresh, since tokens say when they expire.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import record
from ..config import Settings
from ..shifts import service as roster
from ..shifts.rules import Duty
from .batches import batches
from .changes import take_change_number
from .denylist import Entry
from .ending import end_sessions
from .lifetimes import session_end
from .models import Session, live_at
from .reasons import EndReason

SETTLED = timedelta(seconds=30)
"""An end as near as this is not moved away: while this transaction waits, it may come due, and
what Redis holds as ended is never withdrawn."""
_BATCH = 1000
_COLUMNS = (
    Session.id,
    Session.user_id,
    Session.profile,
    Session.started_at,
    Session.expires_at,
    Session.latest_expires_at,
    Session.shift_id,
    Session.shift_ends_at,
)
_Bound = Row[str, int, str, datetime, datetime, datetime, int | None, datetime | None]


@dataclass(frozen=True)
class Cause:
    """Who moves ends, and why."""

    actor: str
    why: str
    now: datetime


def follow_roster(
    sql: Sql, user_ids: Collection[int], settings: Settings, cause: Cause
) -> list[Entry]:
    """Give these users' shift-bound sessions the end that the roster now says.

    Returns the sessions that no shift covers any more; they have been ended. The caller's
    transaction holds the users' rows and has written the roster.
    """
    bound = _bound(sql, sorted(set(user_ids)), cause.now)
    duties = {
        user_id: roster.duty(sql, user_id, cause.now) for user_id in {row.user_id for row in bound}
    }
    over = [row.id for row in bound if duties[row.user_id] is None]
    moves = [move for row in bound if (move := _move(row, duties[row.user_id], settings, cause))]
    if moves:
        number = take_change_number(sql)  # before any session row, so that numbers commit in order
        for move in moves:
            _apply(sql, move, number, cause)
    if not over:
        return []
    reason, now, actor = EndReason.SHIFT_ENDED, cause.now, cause.actor
    return end_sessions(
        sql, Session.id.in_(over), reason=reason, now=now, actor=actor, why=cause.why
    )


@dataclass(frozen=True)
class _Move:
    """A session, and what caps it from now on."""

    row: _Bound
    duty: Duty
    expires_at: datetime

    @property
    def latest_expires_at(self) -> datetime:
        latest: datetime = self.row.latest_expires_at
        return max(latest, self.expires_at)

    @property
    def refuse_from(self) -> datetime | None:
        """None where no token can be alive at the end."""
        return self.expires_at if self.expires_at < self.latest_expires_at else None


def _move(row: _Bound, duty: Duty | None, settings: Settings, cause: Cause) -> _Move | None:
    if duty is None:
        return None
    absolute = settings.session_profiles[row.profile].absolute
    end = session_end(row.started_at, absolute, duty.ends_at)
    if end > row.expires_at and row.expires_at <= cause.now + SETTLED:
        return None
    unchanged = (end, duty.shift_id, duty.ends_at) == (
        row.expires_at,
        row.shift_id,
        row.shift_ends_at,
    )
    return None if unchanged else _Move(row, duty, end)


def _apply(sql: Sql, move: _Move, number: int, cause: Cause) -> None:
    sql.execute(
        update(Session)
        .where(Session.id == move.row.id, Session.ended_at.is_(None))
        .values(
            shift_id=move.duty.shift_id,
            shift_ends_at=move.duty.ends_at,
            expires_at=move.expires_at,
            latest_expires_at=move.latest_expires_at,
            refuse_from=move.refuse_from,
            change_number=number,
        )
        .execution_options(synchronize_session=False)
    )
    record(
        sql,
        Event.SESSION_END_MOVED,
        now=cause.now,
        actor=cause.actor,
        user_id=move.row.user_id,
        sid=move.row.id,
        why=cause.why,
        shift_id=move.duty.shift_id,
        expires_at=move.expires_at.isoformat(),
        before=move.row.expires_at.isoformat(),
    )


def _bound(sql: Sql, user_ids: Sequence[int], now: datetime) -> list[_Bound]:
    """Return the live sessions of these users that a shift caps."""
    found: list[_Bound] = []
    for some in batches(user_ids, _BATCH):
        bound = (Session.user_id.in_(some), Session.shift_id.is_not(None), *live_at(now))
        found += sql.execute(select(*_COLUMNS).where(*bound).order_by(Session.id)).all()
    return found
