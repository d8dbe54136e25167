"""Use cases of reviewers. They see no clinical data, and never judge themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import joinedload

from ...audit.events import Event
from ...audit.models import AuditEvent
from ...errors import Conflict, Forbidden, NotFound
from ...sessions.claims import AccessClaims
from ..access import Tie
from ..accessing import Access, accessing
from ..paging import Page, read_page
from .holding import AWAITING, holds
from .models import BreakGlassGrant, BreakGlassReview
from .rules import REVIEWERS, concerns_of, is_settled, may_review
from .service import Shown, shown


class AlreadyReviewed(Conflict):
    code, title = "already_reviewed", "Already reviewed"
    detail = "Somebody has settled this one. Only an unclear one is reviewed again."


def demand_reviewer(access: Access) -> None:
    """Raise Forbidden for whoever is no reviewer."""
    if access.viewer.user_type not in REVIEWERS:
        raise Forbidden()


def list_reviews(
    sql: Sql,
    claims: AccessClaims,
    *,
    now: datetime,
    page: int,
    page_size: int,
    status: str,
    **filters: int,
) -> Page[Shown]:
    """Return a page of others' grants, by due date. Raises Forbidden."""
    with accessing(sql, claims, Event.BREAK_GLASS_REVIEWS_LISTED, now=now) as access:
        demand_reviewer(access)
        grants = (
            select(BreakGlassGrant, holds(now).label("is_open"))
            .options(joinedload(BreakGlassGrant.user), joinedload(BreakGlassGrant.unit))
            .where(BreakGlassGrant.user_id != claims.user_id, _has_status(status, now))
            .where(*(getattr(BreakGlassGrant, name) == id for name, id in filters.items()))
            .order_by(BreakGlassGrant.due_at, BreakGlassGrant.id)
        )
        found = read_page(sql, grants, page=page, page_size=page_size)
        listed = [row[0] for row in found.items]
        uses, judged = _accesses(sql, listed), _reviews(sql, listed)
        access.about(grants=[grant.id for grant in listed])
        return found.map(lambda row: _for_review(row, uses, judged, now))


def review(
    sql: Sql, claims: AccessClaims, grant_id: int, *, now: datetime, outcome: str, comment: str
) -> Shown:
    """Settle a grant, or leave it unclear. Raises Forbidden, NotFound, AlreadyReviewed."""
    with accessing(sql, claims, Event.BREAK_GLASS_REVIEWED, now=now) as access:
        demand_reviewer(access)
        access.about(grant=grant_id)
        asked = select(BreakGlassGrant).where(BreakGlassGrant.id == grant_id).with_for_update()
        grant = sql.scalar(asked)
        if grant is None:
            raise NotFound()
        if not may_review(claims.user_type, claims.user_id, grant.user_id):
            access.about(why="own_grant")
            raise Forbidden("Somebody else reviews this one.")
        if is_settled(grant.outcome):
            raise AlreadyReviewed()
        grant.outcome = outcome
        sql.add(_review(grant, claims, outcome, comment, now))
        access.showed([grant.patient_id], finding=outcome)
        return {
            "outcome": outcome,
            "comment": comment,
            "reviewed_at": now,
            "reviewer_id": claims.user_id,
        }


def _review(
    grant: BreakGlassGrant, claims: AccessClaims, outcome: str, comment: str, now: datetime
) -> BreakGlassReview:
    return BreakGlassReview(
        grant_id=grant.id,
        reviewer_id=claims.user_id,
        outcome=outcome,
        comment=comment,
        reviewed_at=now,
    )


def _has_status(status: str, now: datetime) -> ColumnElement[bool]:
    match status:
        case "awaiting":
            return AWAITING
        case "overdue":
            return and_(AWAITING, BreakGlassGrant.due_at <= now)
        case "settled":
            return ~AWAITING
        case _:
            return BreakGlassGrant.id.is_not(None)


def _accesses(sql: Sql, grants: Sequence[BreakGlassGrant]) -> dict[int, int]:
    """Count the events that name these grants as their basis, but for opening and giving back."""
    basis = AuditEvent.detail["basis"].as_string()
    named = (
        select(AuditEvent.detail["basis_id"].as_integer().label("grant_id"))
        .where(
            AuditEvent.sid.in_({grant.sid for grant in grants}),
            AuditEvent.event.not_like("break_glass:%"),
            basis == Tie.BREAK_GLASS,
        )
        .subquery()
    )
    counted = select(named.c.grant_id, func.count()).group_by(named.c.grant_id)
    return {row[0]: row[1] for row in sql.execute(counted)}


def _reviews(sql: Sql, grants: Sequence[BreakGlassGrant]) -> dict[int, list[BreakGlassReview]]:
    of_these = BreakGlassReview.grant_id.in_([grant.id for grant in grants])
    found: dict[int, list[BreakGlassReview]] = {grant.id: [] for grant in grants}
    for each in sql.scalars(select(BreakGlassReview).where(of_these).order_by(BreakGlassReview.id)):
        found[each.grant_id].append(each)
    return found


def _for_review(
    row: Row[*tuple[Any, ...]],
    uses: dict[int, int],
    judged: dict[int, list[BreakGlassReview]],
    now: datetime,
) -> Shown:
    grant: BreakGlassGrant = row[0]
    user, unit = grant.user, grant.unit
    return shown(grant, is_open=row.is_open) | {
        "user": {"id": user.id, "name": user.name, "user_type": user.user_type},
        "unit": unit and {"id": unit.id, "name": unit.name},
        "in_handoff": grant.in_handoff,
        "concerns": concerns_of(grant.concerns),
        "accesses": uses.get(grant.id, 0),
        "due_at": grant.due_at,
        "overdue": not is_settled(grant.outcome) and grant.due_at <= now,
        "outcome": grant.outcome,
        "reviews": [
            {
                "outcome": each.outcome,
                "comment": each.comment,
                "reviewed_at": each.reviewed_at,
                "reviewer_id": each.reviewer_id,
            }
            for each in judged[grant.id]
        ],
    }
