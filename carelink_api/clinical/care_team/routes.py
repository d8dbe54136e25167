"""HTTP side of care teams."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint
from ...extensions import db
from ...idempotency.attempts import IDEMPOTENCY_KEY, attempt
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, IF_MATCH, expected_version, versioned
from ..paging import Page
from . import schemas, service

bp = CareLinkBlueprint(
    "care_team", __name__, url_prefix="/api", description="Who looks after whom."
)
Answer = tuple[service.Shown, dict[str, str]]


@bp.get("/patients/<id:patient_id>/care-team/")
@authenticated
@bp.arguments(schemas.CareTeamListArgs, location="query")
@bp.response(200, schemas.MemberPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_care_team(query: dict[str, Any], patient_id: int) -> Page[service.Shown]:
    """List who looks after a patient, from when to when."""
    return service.list_members(db.session(), claims(), patient_id, now=web.now(), **query)


@bp.get("/patients/<id:patient_id>/care-team/<id:member_id>/")
@authenticated
@bp.response(200, schemas.MemberSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_care_team_member(patient_id: int, member_id: int) -> Answer:
    """Show one membership."""
    return versioned(
        service.read_member(db.session(), claims(), patient_id, member_id, now=web.now())
    )


@bp.post("/patients/<id:patient_id>/care-team/")
@authenticated
@bp.arguments(schemas.NewMemberArgs)
@bp.response(201, schemas.MemberSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 503)
@bp.doc(security=SECURITY, parameters=IDEMPOTENCY_KEY)
def add_care_team_member(body: dict[str, Any], patient_id: int) -> Answer:
    """Take a doctor or nurse into the care team of a patient whom one looks after oneself."""
    return versioned(
        service.add_member(
            db.session(), claims(), patient_id, body, now=web.now(), attempt=attempt()
        )
    )


@bp.post("/patients/<id:patient_id>/care-team/<id:member_id>/end/")
@authenticated
@bp.response(200, schemas.MemberSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def end_care_team_member(patient_id: int, member_id: int) -> Answer:
    """End a membership now; it stays on record."""
    member = service.end_member(
        db.session(), claims(), patient_id, member_id, version=expected_version(), now=web.now()
    )
    return versioned(member)
