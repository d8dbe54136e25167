"""HTTP side of clinical notes."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint, PageArgs
from ...extensions import db
from ...idempotency.attempts import IDEMPOTENCY_KEY, attempt
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, IF_MATCH, expected_version, versioned
from ..paging import Page
from . import listing, schemas, service

bp = CareLinkBlueprint(
    "notes",
    __name__,
    url_prefix="/api/patients/<id:patient_id>/notes",
    description="What is written about a patient, signed.",
)
Shown = listing.Shown
Answer = tuple[Shown, dict[str, str]]


@bp.get("/")
@authenticated
@bp.arguments(schemas.NoteListArgs, location="query")
@bp.response(200, schemas.NotePageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_notes(query: dict[str, Any], patient_id: int) -> Page[Shown]:
    """List a patient's notes, each as it reads now, the latest first."""
    return listing.list_notes(db.session(), claims(), patient_id, now=web.now(), **query)


@bp.post("/")
@authenticated
@bp.arguments(schemas.NewNoteArgs)
@bp.response(201, schemas.NoteSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 503)
@bp.doc(security=SECURITY, parameters=IDEMPOTENCY_KEY)
def write_note(body: dict[str, str], patient_id: int) -> Answer:
    """Write a note, and sign it by that."""
    return versioned(
        service.write(db.session(), claims(), patient_id, now=web.now(), attempt=attempt(), **body)
    )


@bp.get("/<id:note_id>/")
@authenticated
@bp.response(200, schemas.NoteSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_note(patient_id: int, note_id: int) -> Answer:
    """Show a note as it reads now."""
    return versioned(listing.read_note(db.session(), claims(), patient_id, note_id, now=web.now()))


@bp.get("/<id:note_id>/versions/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.NotePageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_note_versions(query: dict[str, Any], patient_id: int, note_id: int) -> Page[Shown]:
    """Show what a note has read, the newest version first."""
    return listing.list_versions(
        db.session(), claims(), patient_id, note_id, now=web.now(), **query
    )


@bp.post("/<id:note_id>/amend/")
@authenticated
@bp.arguments(schemas.AmendmentArgs)
@bp.response(200, schemas.NoteSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH + IDEMPOTENCY_KEY)
def amend_note(body: dict[str, Any], patient_id: int, note_id: int) -> Answer:
    """Sign one more version of a note of one's own. The earlier ones stay."""
    told = body | {"version": expected_version(), "attempt": attempt()}
    return versioned(
        service.amend(db.session(), claims(), patient_id, note_id, now=web.now(), **told)
    )
