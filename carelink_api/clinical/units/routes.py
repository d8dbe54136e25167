"""HTTP side of units."""

from typing import Any

from ... import web
from ...api import SECURITY, CareLinkBlueprint, PageArgs
from ...extensions import db
from ...sessions.guard import authenticated, claims
from ..paging import Page
from . import schemas, service

bp = CareLinkBlueprint(
    "units", __name__, url_prefix="/api", description="Units, and who is on shift there."
)


@bp.get("/units/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.UnitPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_units(query: dict[str, Any]) -> Page[service.Shown]:
    """List the units and how many are on shift there, to who works here."""
    return service.list_units(db.session(), claims(), now=web.now(), **query)


@bp.get("/units/<id:unit_id>/staff/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.StaffPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_unit_staff(query: dict[str, Any], unit_id: int) -> Page[service.Shown]:
    """List who is on shift in a unit, or in its handoff time; its charge nurse first."""
    return service.list_staff(db.session(), claims(), unit_id, now=web.now(), **query)
