"""Use case: what an appointment has been before it was changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import accessing
from ..former_models import AppointmentVersion
from ..paging import Page, read_page
from ..people import named, person
from .service import open_appointment

_COLUMNS = [
    column for column in AppointmentVersion.__table__.columns if column.name != "replaced_by_id"
]
_FORMER = (
    select(*_COLUMNS, *named(User, "replacer"))
    .join(User, AppointmentVersion.replaced_by_id == User.id)
    .order_by(AppointmentVersion.version.desc())
)


def list_former(
    sql: Sql, viewer: AccessClaims, appointment_id: int, *, now: datetime, page: int, page_size: int
) -> Page[dict[str, Any]]:
    """Return a page of the former versions, the latest first. Raises NotFound, Unavailable."""
    with accessing(sql, viewer, Event.APPOINTMENT_READ, now=now) as access:
        open_appointment(access, appointment_id, Action.READ)
        access.about(asked=["versions"])
        asked = _FORMER.where(AppointmentVersion.appointment_id == appointment_id)
        return read_page(sql, asked, page=page, page_size=page_size).map(_shown)


def _shown(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return {**row._mapping, "replaced_by": person(row, "replacer")}
