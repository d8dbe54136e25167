"""HTTP side of the clinical API."""

from typing import Any

from .. import web
from ..api import SECURITY, CareLinkBlueprint
from ..extensions import db
from ..sessions.guard import authenticated, claims
from . import service
from .schemas import AppointmentArgs, AppointmentPageSchema
from .service import AppointmentPage

bp = CareLinkBlueprint(
    "clinical", __name__, url_prefix="/api", description="What the sessions are for."
)


@bp.get("/appointments/")
@authenticated
@bp.arguments(AppointmentArgs, location="query")
@bp.response(200, AppointmentPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_appointments(query: dict[str, Any]) -> AppointmentPage:
    """List one's own appointments: a doctor's or a patient's, the earliest first."""
    return service.list_appointments(db.session(), claims(), now=web.now(), **query)
