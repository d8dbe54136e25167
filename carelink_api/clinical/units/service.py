"""Use cases of units. Nothing here is about a patient: only who is refused leaves an event."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, case, func, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit, User
from ...audit.events import Event
from ...errors import Forbidden, NotFound
from ...extensions import settings
from ...sessions.acts import record_refusal
from ...sessions.claims import AccessClaims
from ...shifts.models import Shift
from ..paging import Page, read_page

STAFF = frozenset({"nurse", "doctor", "admin", "ops"})
"""Who works here, and may know who else does."""
Shown = dict[str, Any]
_USER = (User.id.label("user_id"), User.name.label("user_name"), User.user_type)


def list_units(
    sql: Sql, viewer: AccessClaims, *, now: datetime, page: int, page_size: int
) -> Page[Shown]:
    """Return a page of all units, by name, and how many are on shift there. Raises Forbidden."""
    _demand_staff(sql, viewer, now)
    there = (Shift.unit_id == Unit.id, *_takes_place(now))
    counted = select(func.count(Shift.user_id.distinct())).join(User).where(*there)
    asked = select(
        Unit.id, Unit.name, Unit.session_profile, counted.scalar_subquery().label("on_shift")
    ).order_by(Unit.name, Unit.id)
    return read_page(sql, asked, page=page, page_size=page_size).map(lambda row: {**row._mapping})


def list_staff(
    sql: Sql, viewer: AccessClaims, unit_id: int, *, now: datetime, page: int, page_size: int
) -> Page[Shown]:
    """Return a page of who is on shift in a unit, handoff time included; who leads it first.

    Raises Forbidden, and NotFound where there is no such unit.
    """
    _demand_staff(sql, viewer, now)
    if sql.scalar(select(Unit.id).where(Unit.id == unit_id)) is None:
        raise NotFound()
    found = read_page(sql, _staff(unit_id, now), page=page, page_size=page_size)
    return found.map(lambda row: _shown(row, now))


def _demand_staff(sql: Sql, viewer: AccessClaims, now: datetime) -> None:
    if viewer.user_type not in STAFF:
        record_refusal(sql, viewer, Event.UNITS_REFUSED, "user_type", now=now)
        raise Forbidden()


def _takes_place(now: datetime, *, ended_since: datetime | None = None) -> tuple[Any, ...]:
    return (
        Shift.cancelled_at.is_(None),
        Shift.starts_at <= now,
        Shift.ends_at > (ended_since or now),
        User.disabled_at.is_(None),
    )


def _staff(unit_id: int, now: datetime) -> Select[*tuple[Any, ...]]:
    """Return one row for each person, whatever the number of shifts."""
    leads = case((Shift.in_charge & (Shift.ends_at > now), 1), else_=0)
    shifts = (
        select(
            *_USER,
            func.min(Shift.starts_at).label("starts_at"),
            func.max(Shift.ends_at).label("ends_at"),
            func.max(leads).label("leads"),
        )
        .join(User, User.id == Shift.user_id)
        .where(
            Shift.unit_id == unit_id,
            *_takes_place(now, ended_since=now - settings().shift_handoff),
        )
        .group_by(*_USER)
        .subquery()
    )
    order = (shifts.c.leads.desc(), shifts.c.user_name, shifts.c.user_id)
    return select(*shifts.c).order_by(*order)


def _shown(row: Row[*tuple[Any, ...]], now: datetime) -> Shown:
    return {
        "user": {"id": row.user_id, "name": row.user_name},
        "user_type": row.user_type,
        "in_charge": bool(row.leads),
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "state": "on_shift" if row.ends_at > now else "in_handoff",
    }
