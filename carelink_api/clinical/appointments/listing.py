"""The list of appointments."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, or_, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from ...accounts.models import User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..accessing import accessing
from ..models import Appointment, Patient
from ..paging import Page, read_page

_doctor = aliased(User)
# The columns that are shown, and no more: a user's row holds a password hash.
LISTED = (
    select(
        Appointment.id,
        Appointment.starts_at,
        Appointment.ends_at,
        Appointment.status,
        Appointment.description,
        Appointment.version,
        _doctor.id.label("doctor_id"),
        _doctor.name.label("doctor_name"),
        Patient.id.label("patient_id"),
        Patient.name.label("patient_name"),
    )
    .join(_doctor, Appointment.doctor_id == _doctor.id)
    .join(Patient, Appointment.patient_id == Patient.id)
    .order_by(Appointment.starts_at, Appointment.id)
)


def list_appointments(
    sql: Sql,
    viewer: AccessClaims,
    *,
    page: int,
    page_size: int,
    now: datetime,
    day: date | None = None,
    **filters: Any,
) -> Page[dict[str, Any]]:
    """Return a page of the appointments that the viewer may see, the earliest first.

    `day` is a day of UTC, `filters` are columns and their values. Raises Forbidden for a user type
    that sees none, Unavailable.
    """
    with accessing(sql, viewer, Event.APPOINTMENTS_LISTED, now=now) as access:
        access.about(**({"day": day.isoformat()} if day else {}), **filters)
        asked = _listed(access.visible(), to_doctor=access.viewer.user_type == "doctor")
        if day or filters:
            asked = asked.where(*_within(day), *_equal(filters))
        found = read_page(sql, asked, page=page, page_size=page_size, values=access.values)
        ids = [row.id for row in found.items]
        access.showed([row.patient_id for row in found.items], appointment_ids=ids)
    return found.map(shown)


@cache
def _listed(visible: ColumnElement[bool], *, to_doctor: bool) -> Select[*tuple[Any, ...]]:
    """Return whose appointments are seen: of the patients whose record one may read.

    An appointment stays in its doctor's list when it no longer opens the record.
    """
    if to_doctor:
        return LISTED.where(or_(Appointment.doctor_id == bindparam("viewer_user_id"), visible))
    return LISTED.where(visible)


def _within(day: date | None) -> list[ColumnElement[bool]]:
    if day is None:
        return []
    start = datetime.combine(day, time(), UTC)
    return [Appointment.starts_at >= start, Appointment.starts_at < start + timedelta(days=1)]


def shown(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    """Return what is shown of a row of `LISTED`."""
    # Unpacked: reading each column by its name took a fifth of the list's time.
    appointment_id, starts_at, ends_at, status, description, version, *people = row
    doctor_id, doctor_name, patient_id, patient_name = people
    return {
        "id": appointment_id,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "status": status,
        "description": description,
        "version": version,
        "doctor": {"id": doctor_id, "name": doctor_name},
        "patient": {"id": patient_id, "name": patient_name},
    }


def _equal(filters: dict[str, Any]) -> list[ColumnElement[bool]]:
    return [getattr(Appointment, name) == value for name, value in filters.items()]
