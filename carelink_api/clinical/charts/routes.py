"""HTTP side of the board and the chart."""

from typing import Any

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint
from ...extensions import db
from ...sessions.guard import authenticated, claims
from ...versions import ETAG_HEADER, etag
from ..paging import Page
from . import board, chart, finding, schemas

bp = CareLinkBlueprint(
    "charts", __name__, url_prefix="/api", description="What a ward looks at, in one answer each."
)
Shown = dict[str, Any]


@bp.get("/board/")
@authenticated
@bp.arguments(schemas.BoardArgs, location="query")
@bp.response(200, schemas.BoardPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.doc(security=SECURITY)
def read_board(query: dict[str, Any]) -> Page[Shown]:
    """Show one's patients by bed, with the latest vital signs and who answers for them."""
    return board.read_board(db.session(), claims(), now=web.now(), **query)


@bp.get("/patients/<id:patient_id>/chart/")
@authenticated
@bp.arguments(schemas.ChartArgs, location="query")
@bp.response(200, schemas.ChartSchema, headers=ETAG_HEADER)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def read_chart(query: dict[str, Any], patient_id: int) -> tuple[Shown, dict[str, str]]:
    """Show one whole chart: the patient, trends, notes, handoff and care team.

    The `ETag` is the patient's, as `read_patient` shows it.
    """
    found = chart.read_chart(db.session(), claims(), patient_id, now=web.now(), **query)
    return found, etag(found["patient"]["version"])


@bp.post("/patients/find/")
@authenticated
@bp.arguments(schemas.FindArgs)
@bp.response(200, schemas.FoundSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 404, 503)
@bp.leads_to("read_chart", parameters={"patient_id": "/patient_id"})
@bp.doc(security=SECURITY)
def find_patient(body: dict[str, str]) -> Shown:
    """Find a record by its whole MRN, whether it is open to one or only an emergency's."""
    return finding.find_patient(db.session(), claims(), body["mrn"], now=web.now())
