"""What others ask of the roster: where somebody is on shift, and whether a shift lets in."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import User
from ..config import Settings
from ..extensions import settings
from .models import Shift
from .rules import Duty, Margins, OnShift, Span, duty_at, on_shift_at

SPAN = (Shift.id, Shift.unit_id, Shift.starts_at, Shift.ends_at, Shift.in_charge)
_BEGUN = select(*SPAN).where(
    Shift.user_id == bindparam("of_user"),
    Shift.cancelled_at.is_(None),
    Shift.starts_at <= bindparam("at"),
    Shift.ends_at > bindparam("ended_after"),
)
"""Built once: it is part of every access to a record."""
_NEAR = timedelta(days=2)
"""A stretch that is too long shows within so much."""
_REACH = timedelta(days=8)
"""What starts later cannot matter to a session that starts now: none may last so long."""


def units_on_shift(sql: Sql, user_id: int, now: datetime) -> set[int]:
    """Return the units where the user is on shift, handoff time included; see `on_shift`."""
    return set(on_shift(sql, user_id, now).all_units)


def on_shift(sql: Sql, user_id: int, now: datetime) -> OnShift:
    """Return where the user is on shift, and where in handoff time or in charge. One statement."""
    handoff = settings().shift_handoff
    asked = {"of_user": user_id, "at": now, "ended_after": now - handoff}
    rows = sql.connection().execute(_BEGUN, asked)
    return on_shift_at([Span(*row) for row in rows], now, handoff)


def units_on_shift_query(user_id: int, now: datetime) -> Select[int]:
    """Express `units_on_shift` in SQL, for a filter: `unit_id.in_(units_on_shift_query(…))`."""
    return select(Shift.unit_id).where(
        Shift.user_id == user_id,
        Shift.cancelled_at.is_(None),
        Shift.starts_at <= now,
        Shift.ends_at > now - settings().shift_handoff,
    )


def lock_duty(sql: Sql, user_id: int, now: datetime) -> Duty | None:
    """Return the stretch of shifts in which the user may be logged in now; None: outside.

    The shifts are locked until commit (`FOR SHARE`): whoever cuts one short comes first and is
    seen here, or waits and finds the session.
    """
    margins = margins_of(settings())
    rows = sql.execute(_ahead(user_id, now, margins).with_for_update(read=True))
    return duty_at([Span(*row) for row in rows], now, margins)


def duty(sql: Sql, user_id: int, now: datetime) -> Duty | None:
    """Return what `lock_duty` does, for a caller whose transaction holds the user's row."""
    margins = margins_of(settings())
    rows = sql.execute(_ahead(user_id, now, margins))
    return duty_at([Span(*row) for row in rows], now, margins)


def shifts_around(sql: Sql, user_id: int, starts_at: datetime, ends_at: datetime) -> list[Span]:
    """Return the user's shifts that a stretch with these times may be made of."""
    near = select(*SPAN).where(
        Shift.user_id == user_id,
        Shift.cancelled_at.is_(None),
        Shift.ends_at > starts_at - _NEAR,
        Shift.starts_at < ends_at + _NEAR,
    )
    return [Span(*row) for row in sql.execute(near.order_by(Shift.id))]


def next_starts_at(sql: Sql, user_id: int, now: datetime) -> datetime | None:
    """Return when the user's next shift starts, or None where the roster has none."""
    return sql.scalar(
        select(func.min(Shift.starts_at)).where(
            Shift.user_id == user_id, Shift.cancelled_at.is_(None), Shift.starts_at > now
        )
    )


def is_kept(sql: Sql) -> bool:
    """Say whether a roster is kept at all: whether anybody was ever given a shift."""
    return sql.scalar(select(Shift.id).limit(1)) is not None


def binds(sql: Sql, user: User) -> bool:
    """Say whether the roster binds this user."""
    bound = select(User.id).where(User.id == user.id, bound_by_roster(settings()))
    return sql.scalar(bound) is not None


def bound_by_roster(current: Settings) -> ColumnElement[bool]:
    """Express in SQL which users the roster binds: by type, where one is kept for them.

    It is for who has ever had a shift, and for everybody of a unit in which anybody ever had one;
    who belongs to no unit is bound by the first of all.
    """
    kept = or_(
        exists().where(Shift.user_id == User.id),
        exists().where(Shift.unit_id == User.unit_id),
        and_(User.unit_id.is_(None), exists(select(Shift.id))),
    )
    return and_(User.user_type.in_(current.shift_bound_user_types), kept)


def _ahead(
    user_id: int, now: datetime, margins: Margins
) -> Select[int, int, datetime, datetime, bool]:
    return (
        select(*SPAN)
        .where(
            Shift.user_id == user_id,
            Shift.cancelled_at.is_(None),
            Shift.ends_at > now - margins.handoff,
            Shift.starts_at < now + _REACH,
        )
        .order_by(Shift.id)
    )


def margins_of(current: Settings) -> Margins:
    """Return how early a shift lets in, and how long after it one finishes."""
    return Margins(current.shift_early_login, current.shift_handoff)


def on_shift_in(unit_id: int, now: datetime) -> Select[int]:
    """Express in SQL whom a shift in the unit lets in now: early and handoff time too."""
    margins = margins_of(settings())
    return select(Shift.user_id).where(
        Shift.unit_id == unit_id,
        Shift.cancelled_at.is_(None),
        Shift.starts_at <= now + margins.early,
        Shift.ends_at > now - margins.handoff,
    )


def without_shift(sql: Sql, now: datetime) -> int:
    """Return how many users whom shifts bind have none within a day."""
    soon = select(Shift.user_id).where(
        Shift.cancelled_at.is_(None),
        Shift.ends_at > now,
        Shift.starts_at < now + timedelta(days=1),
    )
    bound = bound_by_roster(settings())
    idle = select(func.count()).where(bound, User.disabled_at.is_(None), User.id.not_in(soon))
    return sql.scalar(idle) or 0
