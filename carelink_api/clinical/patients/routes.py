"""HTTP side of patients."""

from typing import Any

from ... import web
from ...api import SECURITY, CareLinkBlueprint
from ...extensions import db
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, etag
from ..paging import Page
from . import listing, schemas, service

bp = CareLinkBlueprint(
    "patients", __name__, url_prefix="/api", description="Who is here, where, and since when."
)
Answer = tuple[service.Shown, dict[str, str]]


@bp.get("/patients/")
@authenticated
@bp.arguments(schemas.PatientListArgs, location="query")
@bp.response(200, schemas.PatientPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_patients(query: dict[str, Any]) -> Page[dict[str, Any]]:
    """List the patients whom one may see: oneself, those of the shift's unit, or one's own."""
    return listing.list_patients(db.session(), claims(), now=web.now(), **query)


@bp.get("/patients/<id:patient_id>/")
@authenticated
@bp.response(200, schemas.PatientSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_patient(patient_id: int) -> Answer:
    """Show one patient.

    403 `break_glass_available` tells a doctor or nurse that only an emergency opens this record.
    """
    patient = service.read_patient(db.session(), claims(), patient_id, now=web.now())
    return patient, etag(patient["version"])
