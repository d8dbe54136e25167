"""What others ask of the roster: where somebody is on shift, and whether a shift lets in."""

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session as Sql

from ..extensions import settings
from .models import Shift
from .rules import OnShift, Span, on_shift_at

SPAN = (Shift.id, Shift.unit_id, Shift.starts_at, Shift.ends_at, Shift.in_charge)


def units_on_shift(sql: Sql, user_id: int, now: datetime) -> set[int]:
    """Return the units where the user is on shift, handoff time included; see `on_shift`."""
    return set(on_shift(sql, user_id, now).all_units)


def on_shift(sql: Sql, user_id: int, now: datetime) -> OnShift:
    """Return where the user is on shift, and where in handoff time or in charge. One statement."""
    handoff = settings().shift_handoff
    rows = sql.execute(
        select(*SPAN).where(
            Shift.user_id == user_id,
            Shift.cancelled_at.is_(None),
            Shift.starts_at <= now,
            Shift.ends_at > now - handoff,
        )
    )
    return on_shift_at([Span(*row) for row in rows], now, handoff)


def units_on_shift_query(user_id: int, now: datetime) -> Select[int]:
    """Express `units_on_shift` in SQL, for a filter: `unit_id.in_(units_on_shift_query(…))`."""
    return select(Shift.unit_id).where(
        Shift.user_id == user_id,
        Shift.cancelled_at.is_(None),
        Shift.starts_at <= now,
        Shift.ends_at > now - settings().shift_handoff,
    )
