"""HTTP side of reviews of the trail."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint, PageArgs
from ...audit.reading import Filter
from ...auth import throttles
from ...clinical.paging import Page
from ...extensions import db
from ...sessions.guard import authenticated, claims
from . import schemas, service

bp = CareLinkBlueprint(
    "audit",
    __name__,
    url_prefix="/api/ops/audit",
    description="The audit trail, for those who review it: administrators.",
)
throttles.register_errors(bp)
Args = dict[str, Any]


@bp.get("/events/")
@authenticated
@bp.arguments(schemas.TrailReportArgs, location="query")
@bp.response(200, schemas.TrailEventPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def report_trail(query: Args) -> Page[service.Shown]:
    """Report the events of a period, sorted by any field. That it was read is an event, too."""
    how = {name: query.pop(name) for name in ("page", "page_size", "sort", "order")}
    return service.report(db.session(), claims(), Filter(**query), now=web.now(), **how)


@bp.get("/reviews/")
@authenticated
@bp.arguments(PageArgs, location="query")
@bp.response(200, schemas.TrailReviewPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def list_trail_reviews(query: Args) -> Page[service.Shown]:
    """List what was reviewed, by whom, and what was found; the newest first."""
    return service.list_signed(db.session(), claims(), now=web.now(), **query)


@bp.post("/reviews/")
@authenticated
@bp.arguments(schemas.TrailReviewArgs)
@bp.response(201, schemas.TrailReviewSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 429, 503)
@bp.doc(security=SECURITY)
def sign_trail_review(args: Args) -> service.Shown:
    """Sign off that the events of a period were reviewed. It is never changed or removed.

    401 `insufficient_user_authentication` asks for the password.
    """
    password = args.pop("password", None)
    if password is not None:
        throttles.count_password(claims().user_id)
    findings, follow_up = args.pop("findings"), args.pop("follow_up")
    return service.sign(
        db.session(), claims(), Filter(**args), findings,
        follow_up=follow_up, password=password, now=web.now(),
    )  # fmt: skip
