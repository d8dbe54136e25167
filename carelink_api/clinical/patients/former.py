"""Use case: what a patient's row has said before it was changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit, User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import accessing
from ..former_models import PatientVersion
from ..paging import Page, read_page
from ..people import named, person

_FORMER = (
    select(
        *(column for column in PatientVersion.__table__.columns if column.name != "replaced_by_id"),
        Unit.name.label("unit_name"),
        *named(User, "replacer"),
    )
    .join(User, PatientVersion.replaced_by_id == User.id)
    .outerjoin(Unit, PatientVersion.unit_id == Unit.id)
    .order_by(PatientVersion.version.desc())
)


def list_former(
    sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime, page: int, page_size: int
) -> Page[dict[str, Any]]:
    """Return a page of the former versions, the latest first.

    Raises as `Access.chart`, and Unavailable.
    """
    with accessing(sql, viewer, Event.PATIENT_READ, now=now) as access:
        access.chart(patient_id, Action.READ)
        access.about(asked=["versions"])
        asked = _FORMER.where(PatientVersion.patient_id == patient_id)
        return read_page(sql, asked, page=page, page_size=page_size).map(_shown)


def _shown(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    unit = None if row.unit_id is None else {"id": row.unit_id, "name": row.unit_name}
    return {**row._mapping, "unit": unit, "replaced_by": person(row, "replacer")}
