"""Use case of operators: find sessions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit, User, UserType
from ...audit.events import Event
from ...clinical.paging import Page, read_page
from ...database import writing
from ...extensions import settings
from ...sessions.acts import record_act
from ...sessions.claims import AccessClaims
from ...sessions.models import Session, live_at
from ..session_facts import facts
from .operating import demand_operator

IS_STAFF = User.user_type != UserType.PATIENT
"""Who is a patient here, from where and on what device, operators neither see nor search for."""


def search_sessions(
    sql: Sql,
    claims: AccessClaims,
    *,
    now: datetime,
    page: int,
    page_size: int,
    status: str,
    **filters: Any,
) -> Page[dict[str, Any]]:
    """Return a page of sessions, the newest first. Raises Forbidden.

    The search is audited, by the names of what was searched for.
    """
    demand_operator(sql, claims, now=now)
    with writing(sql):
        found = read_page(sql, _found(status, filters, now), page=page, page_size=page_size)
        record_act(sql, claims, Event.SESSIONS_SEARCHED, now=now, status=status, by=sorted(filters))
        return found.map(lambda row: _shown(row, claims.sid, now))


def _found(status: str, filters: dict[str, Any], now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(Session, User, Unit)
        .join(User, Session.user_id == User.id)
        .outerjoin(Unit, User.unit_id == Unit.id)
        .where(*_has_status(status, now))
        .where(*(_CONDITIONS[name](value) for name, value in filters.items()))
        .order_by(Session.started_at.desc(), Session.id)
    )


def _has_status(status: str, now: datetime) -> list[ColumnElement[bool]]:
    match status:
        case "active":
            return [*live_at(now)]
        case "ended":
            return [Session.ended_at.is_not(None)]
        case _:
            return []


def _says(text: str) -> ColumnElement[bool]:
    places = (User.name, User.email, Session.device_name)
    return IS_STAFF & or_(*(place.icontains(text, autoescape=True) for place in places))


_CONDITIONS: dict[str, Any] = {
    "q": _says,
    "session": lambda sid: Session.id == sid,
    "user_id": lambda id: Session.user_id == id,
    "unit_id": lambda id: User.unit_id == id,
    "user_type": lambda user_type: User.user_type == user_type,
    "profile": lambda profile: Session.profile == profile,
    "address": lambda start: IS_STAFF & Session.address.istartswith(start, autoescape=True),
}


def _shown(row: Row[*tuple[Any, ...]], own_sid: str, now: datetime) -> dict[str, Any]:
    session, user, unit = row
    shown = facts(session, settings(), now)
    if user.user_type == UserType.PATIENT:
        shown |= {"device_name": None, "address": None}
    return shown | {
        "id": session.id,
        "user": person(user),
        "unit": unit and {"id": unit.id, "name": unit.name},
        "ended_at": session.ended_at,
        "end_reason": session.end_reason,
        "current": session.id == own_sid,
    }


def person(user: User) -> dict[str, Any]:
    """Return what operators see of somebody: of a patient, the number of the account."""
    known = user.user_type != UserType.PATIENT
    return {
        "id": user.id,
        "name": user.name if known else None,
        "email": user.email if known else None,
        "user_type": user.user_type,
    }
