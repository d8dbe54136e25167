"""HTTP side of appointments."""

from typing import Any

from ... import web
from ...api import SECURITY, CareLinkBlueprint
from ...extensions import db
from ...sessions.guard import authenticated, claims
from ..paging import Page
from . import listing, schemas

bp = CareLinkBlueprint(
    "appointments", __name__, url_prefix="/api", description="A doctor sees a patient at a time."
)


@bp.get("/appointments/")
@authenticated
@bp.arguments(schemas.AppointmentArgs, location="query")
@bp.response(200, schemas.AppointmentPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_appointments(query: dict[str, Any]) -> Page[dict[str, Any]]:
    """List the appointments of the patients whom one may see, and one's own as a doctor."""
    return listing.list_appointments(db.session(), claims(), now=web.now(), **query)
