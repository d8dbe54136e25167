"""HTTP side of break-glass."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint, PageArgs
from ...auth import throttles
from ...extensions import db
from ...sessions.guard import authenticated, claims
from ..paging import Page
from . import of_unit, rates, reviews, schemas, service

bp = CareLinkBlueprint(
    "break-glass", __name__, url_prefix="/api", description="Emergency access, and its review."
)
throttles.register_errors(bp)
Shown = service.Shown


@bp.post("/break-glass/")
@authenticated
@bp.arguments(schemas.BreakGlassArgs)
@bp.response(201, schemas.GrantSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 429, 503)
@bp.leads_to("give_back", status=201, parameters={"grant_id": "/id"})
@bp.doc(security=SECURITY)
def break_glass(args: dict[str, Any]) -> Shown:
    """Open one record in an emergency, to this session and for a limited time.

    For a doctor, or a nurse on duty, who has no care relationship with the patient. It alerts, and
    is reviewed. 401 `insufficient_user_authentication` asks for the password.
    """
    if "password" in args:
        throttles.count_password(claims().user_id)
    emergency = service.Emergency(**args)
    return service.open_record(db.session(), claims(), emergency, now=web.now())


@bp.get("/break-glass/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.GrantPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_own_grants(query: dict[str, Any]) -> Page[Shown]:
    """List one's own grants, newest first."""
    return service.list_own(db.session(), claims(), now=web.now(), **query)


@bp.delete("/break-glass/<id:grant_id>/")
@authenticated
@bp.response(200, schemas.GrantSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def give_back(grant_id: int) -> Shown:
    """Give a grant back before its time."""
    return service.give_back(db.session(), claims(), grant_id, now=web.now())


@bp.get("/break-glass/reviews/")
@authenticated
@bp.arguments(schemas.ReviewListArgs, location="query")
@bp.response(200, schemas.ReviewedGrantPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_reviews(query: dict[str, Any]) -> Page[Shown]:
    """List others' grants for review, the most urgent first."""
    return reviews.list_reviews(db.session(), claims(), now=web.now(), **query)


@bp.post("/break-glass/<id:grant_id>/reviews/")
@authenticated
@bp.arguments(schemas.ReviewArgs)
@bp.response(201, schemas.ReviewSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 503)
@bp.doc(security=SECURITY)
def review_grant(args: dict[str, Any], grant_id: int) -> Shown:
    """Say whether a grant was appropriate. After `unclear` another review may follow."""
    return reviews.review(db.session(), claims(), grant_id, now=web.now(), **args)


@bp.get("/break-glass/rates/")
@authenticated
@bp.arguments(schemas.RateArgs, location="query")
@bp.response(200, schemas.RatePageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_rates(query: dict[str, Any]) -> Page[Shown]:
    """List how often each user breaks the glass, or how often it is broken in each unit."""
    return rates.list_rates(db.session(), claims(), now=web.now(), **query)


@bp.get("/units/<id:unit_id>/break-glass/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.UnitGrantPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_break_glass_of_unit(query: dict[str, Any], unit_id: int) -> Page[Shown]:
    """List the emergency accesses to a unit's patients: for its charge nurse, and admins."""
    return of_unit.list_of_unit(db.session(), claims(), unit_id, now=web.now(), **query)
