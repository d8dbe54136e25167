"""HTTP side of the roster, and of a charge nurse's hold on her unit's workstations."""

from typing import Any

from flask.typing import ResponseReturnValue

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint, PageArgs
from ...auth import throttles
from ...errors import ValidationFailed
from ...extensions import db
from ...sessions.guard import authenticated, claims
from ...shifts.roster import Rostered
from ...versions import ETAG_HEADER, IF_MATCH, etag, expected_version
from . import schemas, service

bp = CareLinkBlueprint(
    "shifts", __name__, url_prefix="/api", description="The roster, and who is logged in by it."
)
throttles.register_errors(bp)
_SHIFT = "/shifts/<id:shift_id>/"
_UNIT = "/units/<id:unit_id>/sessions/"


@bp.get("/shifts/")
@authenticated
@bp.arguments(schemas.ListShiftsArgs, location="query")
@bp.response(200, schemas.ShiftPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_shifts(query: dict[str, Any]) -> dict[str, Any]:
    """List shifts, the earliest first: one's own, the unit's for its charge nurse, all for admins.

    `ends_after` and `starts_before` together ask for what touches a span of time.
    """
    return service.list_shifts(db.session(), claims(), web.now(), **query)


@bp.post("/shifts/")
@authenticated
@bp.arguments(schemas.CreateShiftArgs)
@bp.response(201, schemas.ShiftSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 409, 503)
@bp.doc(security=SECURITY)
def create_shift(args: dict[str, Any]) -> ResponseReturnValue:
    """Give somebody a shift. A charge nurse does so in her unit, and never for herself."""
    shift = service.create_shift(db.session(), claims(), web.now(), **args)
    return service.shown(shift), 201, etag(shift.version)


@bp.get(_SHIFT)
@authenticated
@bp.response(200, schemas.ShiftSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_shift(shift_id: int) -> ResponseReturnValue:
    """Show a shift."""
    shift = service.read_shift(db.session(), claims(), shift_id, web.now())
    return service.shown(shift), 200, etag(shift.version)


@bp.patch(_SHIFT)
@authenticated
@bp.arguments(schemas.ChangeShiftArgs)
@bp.response(200, schemas.ChangedShiftSchema, headers=ETAG_HEADER)
@bp.alt_response(202, schema=schemas.ChangedShiftSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def change_shift(args: dict[str, Any], shift_id: int) -> ResponseReturnValue:
    """Change a shift's times, unit, charge or person.

    What ends a live session earlier holds within a second; what lets it go on shows at its next
    refresh.
    """
    if len(args) < 2:
        raise ValidationFailed({"_schema": ["Says nothing that is to change."]})
    version = expected_version()
    changed = service.change_shift(
        db.session(), claims(), shift_id, web.now(), version=version, **args
    )
    return _answer(*changed)


@bp.post(_SHIFT + "cancel/")
@authenticated
@bp.arguments(schemas.ReasonArgs)
@bp.response(200, schemas.ChangedShiftSchema, headers=ETAG_HEADER)
@bp.alt_response(202, schema=schemas.ChangedShiftSchema, headers=ETAG_HEADER)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 409, 412, 428, 503)
@bp.doc(security=SECURITY, parameters=IF_MATCH)
def cancel_shift(args: dict[str, Any], shift_id: int) -> ResponseReturnValue:
    """Cancel a shift: it does not take place, or is over now, without handoff time."""
    version = expected_version()
    cancelled = service.cancel_shift(
        db.session(), claims(), shift_id, web.now(), version=version, **args
    )
    return _answer(*cancelled)


@bp.get(_UNIT)
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.WorkstationPageSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def list_unit_sessions(query: dict[str, Any], unit_id: int) -> dict[str, Any]:
    """List who is logged in at the unit's workstations: for its charge nurse, and admins."""
    return service.list_unit_sessions(db.session(), claims(), unit_id, web.now(), **query)


@bp.post(_UNIT + "end/")
@authenticated
@bp.arguments(schemas.EndUnitSessionsArgs)
@bp.response(200, schemas.EndedSchema)
@bp.alt_response(202, schema=schemas.EndedSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 429, 503)
@bp.doc(security=SECURITY)
def end_unit_sessions(args: dict[str, Any], unit_id: int) -> ResponseReturnValue:
    """End the sessions at the unit's workstations, all but one's own; or only some.

    All of them takes a login of the last five minutes, or the password: 401
    `insufficient_user_authentication` asks for it.
    """
    if "password" in args:
        throttles.count_password(claims().user_id)
    ended, redis_knows = service.end_unit_sessions(
        db.session(), claims(), unit_id, web.now(), **args
    )
    answer: dict[str, Any] = {"message": "Sessions ended", "sessions_ended": ended}
    return _ended(answer, redis_knows)


def _answer(shift: Rostered, redis_knows: bool) -> ResponseReturnValue:
    return *_ended(service.shown(shift), redis_knows), etag(shift.version)


def _ended(answer: dict[str, Any], redis_knows: bool) -> tuple[dict[str, Any], int]:
    """200, or 202 while Redis has not taken what SQL has committed."""
    return (answer, 200) if redis_knows else (answer | {"pending": True}, 202)
