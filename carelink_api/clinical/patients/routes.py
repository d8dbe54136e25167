"""HTTP side of patients."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint, PageArgs
from ...extensions import db
from ...idempotency.attempts import IDEMPOTENCY_KEY, attempt
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, IF_MATCH, expected_version, versioned
from ..fhir.offering import ETAG_HEADER as ONE_HEADERS
from ..fhir.offering import also_as, also_bundled
from ..fhir.patient import PATIENT
from ..paging import Page
from . import access_log, former, listing, schemas, service

bp = CareLinkBlueprint(
    "patients", __name__, url_prefix="/api", description="Who is here, where, and since when."
)
Answer = tuple[service.Shown, dict[str, str]]
_CHANGE_PROBLEMS = (400, 401, 403, 404, 409, 412, 428, 503)


@bp.get("/patients/")
@authenticated
@bp.arguments(schemas.PatientListArgs, location="query")
@bp.response(200, schemas.PatientPageSchema)
@bp.problems(400, 401, 403, 406, 503)
@bp.doc(security=SECURITY)
@also_bundled(PATIENT)
def list_patients(query: dict[str, Any]) -> Page[dict[str, Any]]:
    """List the patients whom one may see: oneself, those of the shift's unit, or one's own."""
    return listing.list_patients(db.session(), claims(), now=web.now(), **query)


@bp.get("/patients/<id:patient_id>/")
@authenticated
@bp.response(200, schemas.PatientSchema, headers=ONE_HEADERS)
@bp.problems(400, 401, 403, 404, 406, 503)
@bp.doc(security=SECURITY)
@also_as(PATIENT)
def read_patient(patient_id: int) -> Answer:
    """Show one patient.

    403 `break_glass_available` tells a doctor or nurse that only an emergency opens this record.
    """
    return versioned(service.read_patient(db.session(), claims(), patient_id, now=web.now()))


@bp.get("/patients/<id:patient_id>/versions/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.PatientVersionPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_patient_versions(query: dict[str, Any], patient_id: int) -> Page[dict[str, Any]]:
    """List what the record's head has said before it was changed, the latest first."""
    return former.list_former(db.session(), claims(), patient_id, now=web.now(), **query)


@bp.post("/patients/")
@authenticated
@bp.arguments(schemas.NewPatientArgs)
@bp.response(201, schemas.PatientSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 409, 503)
@bp.leads_to("read_patient", status=201, parameters={"patient_id": "/id"})
@bp.doc(security=SECURITY, parameters=IDEMPOTENCY_KEY)
def create_patient(body: dict[str, Any]) -> Answer:
    """Open the record of somebody new, and with a unit admit there.

    A nurse admits where she is on shift; a doctor anywhere, and looks after whom they admit.
    """
    return versioned(
        service.create_patient(db.session(), claims(), body, now=web.now(), attempt=attempt())
    )


@bp.patch("/patients/<id:patient_id>/")
@authenticated
@bp.arguments(schemas.PatientChangeArgs)
@bp.response(200, schemas.PatientSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, *_CHANGE_PROBLEMS)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def change_patient(body: dict[str, Any], patient_id: int) -> Answer:
    """Change the name, the birth date or the place; what is not sent stays."""
    patient = service.change_patient(
        db.session(), claims(), patient_id, body, version=expected_version(), now=web.now()
    )
    return versioned(patient)


@bp.post("/patients/<id:patient_id>/admit/")
@authenticated
@bp.arguments(schemas.PlaceArgs)
@bp.response(200, schemas.PatientSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, *_CHANGE_PROBLEMS)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def admit_patient(body: dict[str, Any], patient_id: int) -> Answer:
    """Begin another stay, of a patient who is not in the house."""
    patient = service.admit_patient(
        db.session(), claims(), patient_id, body, version=expected_version(), now=web.now()
    )
    return versioned(patient)


@bp.post("/patients/<id:patient_id>/discharge/")
@authenticated
@bp.response(200, schemas.PatientSchema, headers=ETAG_HEADER)
@bp.problems(*_CHANGE_PROBLEMS)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def discharge_patient(patient_id: int) -> Answer:
    """End the present stay: the bed is free, the unit completes the record within a day."""
    patient = service.discharge_patient(
        db.session(), claims(), patient_id, version=expected_version(), now=web.now()
    )
    return versioned(patient)


@bp.get("/patients/<id:patient_id>/access-log/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.AccessLogPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_access_log(query: dict[str, Any], patient_id: int) -> Page[dict[str, Any]]:
    """Show a patient who has opened the own record, when and why; the latest first."""
    return access_log.list_accesses(db.session(), claims(), patient_id, now=web.now(), **query)
