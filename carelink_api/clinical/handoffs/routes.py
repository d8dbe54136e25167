"""HTTP side of handoffs.

Closing one needs no `If-Match`: what was given is never changed, and of two who close it the
second is told (409).
"""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint
from ...extensions import db
from ...idempotency.attempts import IDEMPOTENCY_KEY, attempt
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, versioned
from ..paging import Page
from . import listing, schemas, service, taking

bp = CareLinkBlueprint(
    "handoffs", __name__, url_prefix="/api", description="A nurse hands a patient over (SBAR)."
)
Shown = listing.Shown
Answer = tuple[Shown, dict[str, str]]
_OF_PATIENT = "/patients/<id:patient_id>/handoffs/"
_ONE = f"{_OF_PATIENT}<id:handoff_id>/"


@bp.get("/handoffs/")
@authenticated
@bp.arguments(schemas.HandoffListArgs, location="query")
@bp.response(200, schemas.HandoffPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_handoffs(query: dict[str, Any]) -> Page[Shown]:
    """List the handoffs of the patients whom one may see, the latest first."""
    return listing.list_handoffs(db.session(), claims(), now=web.now(), **query)


@bp.get(_OF_PATIENT)
@authenticated
@bp.arguments(schemas.HandoffListArgs, location="query")
@bp.response(200, schemas.HandoffPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_handoffs_of_patient(query: dict[str, Any], patient_id: int) -> Page[Shown]:
    """List a patient's handoffs, the latest first."""
    return listing.list_of_patient(db.session(), claims(), patient_id, now=web.now(), **query)


@bp.get("/patients/<id:patient_id>/owner/")
@authenticated
@bp.response(200, schemas.OwnerSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_owner(patient_id: int) -> Shown:
    """Show which nurse answers for a patient."""
    return listing.read_owner(db.session(), claims(), patient_id, now=web.now())


@bp.post("/patients/<id:patient_id>/owner/")
@authenticated
@bp.response(200, schemas.OwnerSchema)
@bp.problems(400, 401, 403, 404, 409, 503)
@bp.doc(security=SECURITY)
def take_patient(patient_id: int) -> Shown:
    """Answer for a patient of one's unit for whom nobody does. Of two at once, one gets 409."""
    return taking.take(db.session(), claims(), patient_id, now=web.now())


@bp.post(_OF_PATIENT)
@authenticated
@bp.arguments(schemas.NewHandoffArgs)
@bp.response(201, schemas.HandoffSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 503)
@bp.doc(security=SECURITY, parameters=IDEMPOTENCY_KEY)
def give_handoff(body: dict[str, str], patient_id: int) -> Answer:
    """Hand a patient over to whoever accepts. One answers for the patient until then."""
    return versioned(
        service.give(db.session(), claims(), patient_id, now=web.now(), attempt=attempt(), **body)
    )


@bp.get(_ONE)
@authenticated
@bp.response(200, schemas.HandoffSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_handoff(patient_id: int, handoff_id: int) -> Answer:
    """Show a handoff."""
    return versioned(
        listing.read_handoff(db.session(), claims(), patient_id, handoff_id, now=web.now())
    )


@bp.post(f"{_ONE}accept/")
@authenticated
@bp.response(200, schemas.HandoffSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 409, 503)
@bp.doc(security=SECURITY)
def accept_handoff(patient_id: int, handoff_id: int) -> Answer:
    """Accept: from now on one answers for the patient. Of two at once, one gets 409."""
    return versioned(service.accept(db.session(), claims(), patient_id, handoff_id, now=web.now()))


@bp.post(f"{_ONE}withdraw/")
@authenticated
@bp.response(200, schemas.HandoffSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 409, 503)
@bp.doc(security=SECURITY)
def withdraw_handoff(patient_id: int, handoff_id: int) -> Answer:
    """Take back what one has given and nobody has accepted."""
    return versioned(
        service.withdraw(db.session(), claims(), patient_id, handoff_id, now=web.now())
    )
