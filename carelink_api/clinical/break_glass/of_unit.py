"""What a unit's charge nurse sees of emergency accesses to its patients: who, when and why.

She knows the patients, and who was called to them; whether it was right is for who reviews.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import joinedload

from ...accounts.models import Unit
from ...audit.events import Event
from ...errors import Forbidden, NotFound
from ...sessions.claims import AccessClaims
from ...shifts.service import on_shift
from ..accessing import Access, accessing
from ..paging import Page, read_page
from .holding import AWAITING, holds
from .models import BreakGlassGrant
from .rules import concerns_of
from .service import Shown, shown


@dataclass(frozen=True)
class OpenCount:
    """How many emergency accesses are open now to patients of a unit."""

    unit: str | None
    in_handoff: bool
    flagged: bool
    grants: int


def list_of_unit(
    sql: Sql, claims: AccessClaims, unit_id: int, *, now: datetime, page: int, page_size: int
) -> Page[Shown]:
    """Return a page of the accesses to patients who were in a unit then, newest first.

    Raises Forbidden for a user type that never leads a unit, NotFound for who does not lead this.
    """
    with accessing(sql, claims, Event.BREAK_GLASS_OF_UNIT_LISTED, now=now) as access:
        access.about(unit_id=unit_id)
        _demand_charge(access, unit_id)
        grants = (
            select(BreakGlassGrant, holds(now).label("is_open"))
            .options(joinedload(BreakGlassGrant.user))
            .where(BreakGlassGrant.unit_id == unit_id)
            .order_by(BreakGlassGrant.opened_at.desc(), BreakGlassGrant.id.desc())
        )
        found = read_page(sql, grants, page=page, page_size=page_size)
        listed = [row[0] for row in found.items]
        whom = [grant.patient_id for grant in listed]
        access.showed(whom, grants=[grant.id for grant in listed])
        return found.map(_shown)


def count_open(sql: Sql, now: datetime) -> Sequence[OpenCount]:
    """Return how many are open now, by unit; for `/metrics`."""
    grant = BreakGlassGrant
    flagged = grant.concerns.is_not(None)
    counted = (
        select(Unit.name, grant.in_handoff, flagged, func.count())
        .select_from(grant)
        .outerjoin(Unit, Unit.id == grant.unit_id)
        .where(holds(now))
        .group_by(Unit.name, grant.in_handoff, flagged)
    )
    return [OpenCount(*row) for row in sql.execute(counted)]


def count_unreviewed_flagged(sql: Sql) -> int:
    """Return how many flagged ones nobody has settled, open or not; for `/metrics`."""
    flagged = select(func.count()).where(BreakGlassGrant.concerns.is_not(None), AWAITING)
    return sql.execute(flagged).scalar_one()


def _demand_charge(access: Access, unit_id: int) -> None:
    viewer = access.viewer
    if viewer.user_type == "admin":
        return
    if viewer.user_type != "nurse":
        raise Forbidden()
    if unit_id not in on_shift(access.sql, viewer.user_id, viewer.now).in_charge_of:
        raise NotFound()


def _shown(row: Row[*tuple[Any, ...]]) -> Shown:
    grant: BreakGlassGrant = row[0]
    told = shown(grant, is_open=row.is_open)
    del told["reason_text"]  # for who reviews: it may say more than a code
    return told | {
        "user": {"id": grant.user.id, "name": grant.user.name, "user_type": grant.user.user_type},
        "in_handoff": grant.in_handoff,
        "concerns": concerns_of(grant.concerns),
    }
