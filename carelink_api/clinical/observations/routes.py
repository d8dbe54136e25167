"""HTTP side of observations."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint
from ...extensions import db
from ...idempotency.attempts import IDEMPOTENCY_KEY, attempt
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, IF_MATCH, expected_version, versioned
from ..fhir.observation import OBSERVATION
from ..fhir.offering import ETAG_HEADER as ONE_HEADERS
from ..fhir.offering import also_as, also_bundled, also_collected
from ..paging import Page
from . import listing, schemas, service

bp = CareLinkBlueprint(
    "observations",
    __name__,
    url_prefix="/api/patients/<id:patient_id>/observations",
    description="Vital signs, as they were measured.",
)
Shown = listing.Shown
Answer = tuple[Shown, dict[str, str]]


@bp.get("/")
@authenticated
@bp.arguments(schemas.ObservationListArgs, location="query")
@bp.response(200, schemas.ObservationPageSchema)
@bp.problems(400, 401, 403, 404, 406, 503)
@bp.doc(security=SECURITY)
@also_bundled(OBSERVATION)
def list_observations(query: dict[str, Any], patient_id: int) -> Page[Shown]:
    """List a patient's vital signs, the latest measured first; those found wrong too."""
    return listing.list_observations(db.session(), claims(), patient_id, now=web.now(), **query)


@bp.post("/")
@authenticated
@bp.arguments(schemas.NewObservationsArgs)
@bp.response(201, schemas.ObservationsSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 503)
@bp.doc(security=SECURITY, parameters=IDEMPOTENCY_KEY)
def record_observations(body: dict[str, Any], patient_id: int) -> dict[str, list[Shown]]:
    """Record one or several vital signs: all of them, or none."""
    return service.record_observations(
        db.session(), claims(), patient_id, body["items"], now=web.now(), attempt=attempt()
    )


@bp.get("/latest/")
@authenticated
@bp.response(200, schemas.ObservationsSchema)
@bp.problems(400, 401, 403, 404, 406, 503)
@bp.doc(security=SECURITY)
@also_collected(OBSERVATION)
def latest_observations(patient_id: int) -> dict[str, list[Shown]]:
    """Show the latest of each vital sign."""
    return listing.latest_observations(db.session(), claims(), patient_id, now=web.now())


@bp.get("/trend/")
@authenticated
@bp.arguments(schemas.TrendArgs, location="query")
@bp.response(200, schemas.TrendSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def trend_of_observations(query: dict[str, Any], patient_id: int) -> Shown:
    """Show how one vital sign went; those found wrong do not count."""
    return listing.trend(db.session(), claims(), patient_id, now=web.now(), **query)


@bp.get("/<id:observation_id>/")
@authenticated
@bp.response(200, schemas.ObservationSchema, headers=ONE_HEADERS)
@bp.problems(400, 401, 403, 404, 406, 503)
@bp.doc(security=SECURITY)
@also_as(OBSERVATION)
def read_observation(patient_id: int, observation_id: int) -> Answer:
    """Show one vital sign."""
    found = service.read_observation(
        db.session(), claims(), patient_id, observation_id, now=web.now()
    )
    return versioned(found)


@bp.post("/<id:observation_id>/entered-in-error/")
@authenticated
@bp.arguments(schemas.InErrorArgs)
@bp.response(200, schemas.ObservationSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def mark_observation_in_error(body: dict[str, Any], patient_id: int, observation_id: int) -> Answer:
    """Say that a vital sign is wrong. What was recorded stays, and counts no more."""
    version = expected_version()
    found = service.mark_in_error(
        db.session(), claims(), patient_id, observation_id, version=version, now=web.now(), **body
    )
    return versioned(found)
