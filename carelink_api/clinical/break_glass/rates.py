"""How often the glass is broken: where it is often, the care relationships are modelled wrongly."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit, User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..accessing import accessing
from ..paging import Page, read_page
from .holding import AWAITING
from .models import BreakGlassGrant
from .reviews import demand_reviewer
from .service import Shown


def list_rates(
    sql: Sql, claims: AccessClaims, *, now: datetime, page: int, page_size: int, by: str, days: int
) -> Page[Shown]:
    """Return a page of who (`user`), or where (`unit`), the most often first. Raises Forbidden."""
    with accessing(sql, claims, Event.BREAK_GLASS_RATES_LISTED, now=now) as access:
        demand_reviewer(access)
        access.about(by=by, days=days)
        rates = _by_user if by == "user" else _by_unit
        found = read_page(sql, rates(now - timedelta(days=days)), page=page, page_size=page_size)
    return found.map(lambda row: _shown(row, by, days))


def _by_user(since: datetime) -> Select[*tuple[Any, ...]]:
    counted = _counted(BreakGlassGrant.user_id, since).subquery()
    of_whom = select(counted, User.id, User.name, User.user_type)
    joined = of_whom.join(User, User.id == counted.c.of)
    return joined.order_by(counted.c.grants.desc(), counted.c.of)


def _by_unit(since: datetime) -> Select[*tuple[Any, ...]]:
    counted = _counted(BreakGlassGrant.unit_id, since).subquery()
    where = select(counted, Unit.id, Unit.name).outerjoin(Unit, Unit.id == counted.c.of)
    return where.order_by(counted.c.grants.desc(), counted.c.of)


def _counted(column: Any, since: datetime) -> Select[*tuple[Any, ...]]:
    grant = BreakGlassGrant
    return (
        select(
            column.label("of"),
            func.count().label("grants"),
            func.count(grant.patient_id.distinct()).label("patients"),
            func.count().filter(grant.outcome == "inappropriate").label("inappropriate"),
            func.count().filter(AWAITING).label("awaiting"),
            func.count(grant.concerns).label("flagged"),
        )
        .where(grant.opened_at > since)
        .group_by(column)
    )


def _shown(row: Row[*tuple[Any, ...]], by: str, days: int) -> Shown:
    named = None if row.of is None else dict(row._mapping)
    return {
        "user": named if by == "user" else None,
        "unit": named if by == "unit" else None,
        "grants": row.grants,
        "per_week": round(row.grants * 7 / days, 2),
        "patients": row.patients,
        "inappropriate": row.inappropriate,
        "awaiting": row.awaiting,
        "flagged": row.flagged,
    }
