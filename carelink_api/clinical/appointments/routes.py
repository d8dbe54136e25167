"""HTTP side of appointments."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint, PageArgs
from ...extensions import db
from ...idempotency.attempts import IDEMPOTENCY_KEY, attempt
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, IF_MATCH, expected_version, versioned
from ..fhir.appointment import APPOINTMENT
from ..fhir.offering import ETAG_HEADER as ONE_HEADERS
from ..fhir.offering import also_as, also_bundled
from ..paging import Page
from . import former, listing, schemas, service
from .rules import Status

bp = CareLinkBlueprint(
    "appointments", __name__, url_prefix="/api", description="A doctor sees a patient at a time."
)
Answer = tuple[service.Shown, dict[str, str]]


@bp.get("/appointments/")
@authenticated
@bp.arguments(schemas.AppointmentArgs, location="query")
@bp.response(200, schemas.AppointmentPageSchema)
@bp.problems(400, 401, 403, 406, 503)
@bp.doc(security=SECURITY)
@also_bundled(APPOINTMENT)
def list_appointments(query: dict[str, Any]) -> Page[dict[str, Any]]:
    """List the appointments of the patients whom one may see, and one's own as a doctor."""
    return listing.list_appointments(db.session(), claims(), now=web.now(), **query)


@bp.get("/appointments/<id:appointment_id>/")
@authenticated
@bp.response(200, schemas.AppointmentSchema, headers=ONE_HEADERS)
@bp.problems(400, 401, 404, 406, 503)
@bp.doc(security=SECURITY)
@also_as(APPOINTMENT)
def read_appointment(appointment_id: int) -> Answer:
    """Show one appointment."""
    return versioned(
        service.read_appointment(db.session(), claims(), appointment_id, now=web.now())
    )


@bp.get("/appointments/<id:appointment_id>/versions/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.AppointmentVersionPageSchema)
@bp.problems(400, 401, 404, 503)
@bp.doc(security=SECURITY)
def list_appointment_versions(query: dict[str, Any], appointment_id: int) -> Page[dict[str, Any]]:
    """List what the appointment has been before it was changed, the latest first."""
    return former.list_former(db.session(), claims(), appointment_id, now=web.now(), **query)


@bp.post("/appointments/")
@authenticated
@bp.arguments(schemas.NewAppointmentArgs)
@bp.response(201, schemas.AppointmentSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 503)
@bp.leads_to("read_appointment", status=201, parameters={"appointment_id": "/id"})
@bp.doc(security=SECURITY, parameters=IDEMPOTENCY_KEY)
def book_appointment(body: dict[str, Any]) -> Answer:
    """Book an appointment, for oneself or for a patient whom one looks after."""
    return versioned(service.book(db.session(), claims(), body, now=web.now(), attempt=attempt()))


@bp.patch("/appointments/<id:appointment_id>/")
@authenticated
@bp.arguments(schemas.AppointmentChangeArgs)
@bp.response(200, schemas.AppointmentSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def move_appointment(body: dict[str, Any], appointment_id: int) -> Answer:
    """Move an appointment, or describe it anew; what is not sent stays."""
    moved = service.move(
        db.session(), claims(), appointment_id, body, version=expected_version(), now=web.now()
    )
    return versioned(moved)


@bp.post("/appointments/<id:appointment_id>/cancel/")
@authenticated
@bp.response(200, schemas.AppointmentSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def cancel_appointment(appointment_id: int) -> Answer:
    """Cancel an appointment; it stays on record."""
    return _close(appointment_id, Status.CANCELLED)


@bp.post("/appointments/<id:appointment_id>/fulfil/")
@authenticated
@bp.response(200, schemas.AppointmentSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def fulfil_appointment(appointment_id: int) -> Answer:
    """Say that an appointment took place; for its doctor and who writes in the record."""
    return _close(appointment_id, Status.FULFILLED)


@bp.post("/appointments/<id:appointment_id>/no-show/")
@authenticated
@bp.response(200, schemas.AppointmentSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def mark_no_show(appointment_id: int) -> Answer:
    """Say that the patient did not come; for its doctor and who writes in the record."""
    return _close(appointment_id, Status.NOSHOW)


@bp.post("/appointments/<id:appointment_id>/reopen/")
@authenticated
@bp.arguments(schemas.MistakeArgs)
@bp.response(200, schemas.AppointmentSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def reopen_appointment(body: dict[str, str], appointment_id: int) -> Answer:
    """Undo that an appointment was said to have taken place, or been missed: it is booked again."""
    reopened = service.reopen(
        db.session(), claims(), appointment_id, version=expected_version(), now=web.now(), **body
    )
    return versioned(reopened)


def _close(appointment_id: int, becomes: Status) -> Answer:
    closed = service.close(
        db.session(), claims(), appointment_id, becomes, version=expected_version(), now=web.now()
    )
    return versioned(closed)
