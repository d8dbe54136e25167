"""HTTP side of the operations API."""

from typing import Any

from flask.typing import ResponseReturnValue

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint
from ...auth import throttles
from ...clinical.paging import Page
from ...extensions import db
from ...sessions.guard import authenticated, claims, polling
from . import (
    denylist,
    emergencies,
    numbers,
    revocations,
    schemas,
    session_list,
    shown,
    store_health,
    trail,
)

bp = CareLinkBlueprint(
    "operations",
    __name__,
    url_prefix="/api/ops",
    description="Who is logged in, what happens, and how to stop it: for operators alone.",
)
throttles.register_errors(bp)
Answer = dict[str, Any]


@bp.get("/numbers/")
@polling
@bp.response(200, shown.NumbersSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def ops_numbers() -> Answer:
    """Count the live sessions, and what happened in each minute of the last hour."""
    return numbers.look_at_numbers(db.session(), claims(), now=web.now())


@bp.get("/sessions/")
@authenticated
@bp.arguments(schemas.SearchArgs, location="query")
@bp.response(200, schemas.FoundSessionPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def ops_sessions(query: Answer) -> Page[Answer]:
    """Find sessions, the newest first."""
    return session_list.search_sessions(db.session(), claims(), now=web.now(), **query)


@bp.post("/revocations/")
@authenticated
@bp.arguments(schemas.RevocationArgs)
@bp.response(200, schemas.RevocationSchema)
@bp.alt_response(202, schema=schemas.RevocationSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 409, 429, 503)
@bp.doc(security=SECURITY)
def revoke_sessions(args: Answer) -> ResponseReturnValue:
    """End sessions: of one, a user, unit, user type, profile, address range, or of everyone.

    A call works for five seconds at most; while `remaining` is not 0, send the same again. It may
    be sent any number of times. 401 `insufficient_user_authentication` asks for the password.
    """
    _count_password(args)
    dry_run, reason = args.pop("dry_run"), args.pop("reason", "")
    password, at_most = args.pop("password", None), args.pop("at_most", 0)
    if dry_run:
        return revocations.preview(db.session(), claims(), args, now=web.now())
    answer, redis_knows = revocations.carry_out(
        db.session(), claims(), args, reason,
        at_most=at_most, password=password, now=web.now(),
    )  # fmt: skip
    return answer if redis_knows else (answer | {"pending": True}, 202)


@bp.get("/denylist/")
@authenticated
@bp.response(200, shown.DenylistSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def ops_denylist() -> Answer:
    """Show what Redis holds of the denylist, what it should hold, and how it is set up."""
    return denylist.look_at_denylist(db.session(), claims(), now=web.now())


@bp.post("/denylist/flush/")
@authenticated
@bp.arguments(schemas.FlushArgs)
@bp.response(200, schemas.FlushedSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 429, 503)
@bp.doc(security=SECURITY)
def flush_denylist(args: Answer) -> Answer:
    """Drop the denylist's entries from Redis.

    Nobody is logged out and nobody gets back in: the workers refuse ended sessions from SQL. The
    housekeeper writes back within five minutes what is still needed.
    """
    _count_password(args)
    return denylist.flush_denylist(
        db.session(), claims(), args["reason"], password=args.get("password"), now=web.now()
    )


@bp.get("/events/")
@polling
@bp.arguments(shown.EventArgs, location="query")
@bp.response(200, shown.EventsSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def ops_events(query: Answer) -> Answer:
    """Follow what happens, by asking again with `next_after`: the last hour's events at most."""
    return trail.follow_trail(db.session(), claims(), now=web.now(), **query)


@bp.get("/break-glass/")
@polling
@bp.response(200, shown.EmergenciesSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def ops_break_glass() -> Answer:
    """Count emergencies and the reviews that are due; who reviews sees more elsewhere."""
    return emergencies.count_emergencies(db.session(), claims(), now=web.now())


@bp.get("/health/")
@polling
@bp.response(200, shown.HealthSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def ops_health() -> Answer:
    """Show how the stores are as this worker sees them, what it means, and what to do."""
    return store_health.look_at_stores(db.session(), claims(), now=web.now())


def _count_password(args: Answer) -> None:
    """A password that is sent along counts, right or wrong. Raises RateLimitExceeded."""
    if "password" in args:
        throttles.count_password(claims().user_id)
