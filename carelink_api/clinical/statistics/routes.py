"""HTTP side of statistics."""

from typing import Any

from ... import web
from ...api import SECURITY, CareLinkBlueprint
from ...extensions import db
from ...sessions.guard import authenticated, claims
from . import schemas, service

bp = CareLinkBlueprint(
    "statistics", __name__, url_prefix="/api", description="Numbers about many patients."
)


@bp.get("/statistics/vital-signs/")
@authenticated
@bp.arguments(schemas.StatisticsArgs, location="query")
@bp.response(200, schemas.StatisticsSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def vital_sign_statistics(query: dict[str, Any]) -> dict[str, Any]:
    """Show researchers mean and spread of each vital sign, day by day, of ten patients or more."""
    return service.vital_signs(db.session(), claims(), now=web.now(), **query)
