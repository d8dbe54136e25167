"""Use case of operators: see that broken glass is reviewed. Admins review it, by the clinical API.

Numbers and units alone: whose record it was, and who opened it, is for who reviews.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit
from ...clinical.break_glass.holding import AWAITING, holds
from ...clinical.break_glass.models import BreakGlassGrant
from ...sessions.claims import AccessClaims
from .operating import demand_operator

_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)


def count_emergencies(sql: Sql, claims: AccessClaims, *, now: datetime) -> dict[str, Any]:
    """Return how often the glass was broken, and how many reviews are due. Raises Forbidden."""
    demand_operator(sql, claims, now=now)
    return _lately(sql, now) | due(sql, now) | {"by_unit": _by_unit(sql, now)}


def _lately(sql: Sql, now: datetime) -> dict[str, Any]:
    grant = BreakGlassGrant
    row = sql.execute(
        select(
            func.count().filter(holds(now)).label("open_now"),
            func.count().filter(grant.opened_at > now - _DAY).label("opened_last_day"),
            func.count().label("opened_last_30_days"),
        ).where(grant.opened_at > now - _MONTH)
    ).one()
    return dict(row._mapping)


def due(sql: Sql, now: datetime) -> dict[str, Any]:
    """Return how many grants wait for their review, how many for too long, and the next date."""
    row = sql.execute(
        select(
            func.count().label("awaiting"),
            func.count().filter(BreakGlassGrant.due_at <= now).label("overdue"),
            func.min(BreakGlassGrant.due_at).label("next_due_at"),
        ).where(AWAITING)
    ).one()
    return dict(row._mapping)


def _by_unit(sql: Sql, now: datetime) -> list[dict[str, Any]]:
    counted = (
        select(Unit.id, Unit.name, func.count(), func.count().filter(AWAITING))
        .select_from(BreakGlassGrant)
        .outerjoin(Unit, Unit.id == BreakGlassGrant.unit_id)
        .where(BreakGlassGrant.opened_at > now - _MONTH)
        .group_by(Unit.id, Unit.name)
        .order_by(func.count().desc(), Unit.name)
    )
    return [
        {"unit": id and {"id": id, "name": name}, "opened": opened, "awaiting": awaiting}
        for id, name, opened, awaiting in sql.execute(counted)
    ]
