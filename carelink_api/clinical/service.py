"""Use cases of the clinical API. Every read is audited before its answer leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from ..accounts.models import User
from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..database import writing
from ..errors import Forbidden
from ..sessions.claims import AccessClaims
from .access import Nothing, OwnAsDoctor, OwnAsPatient, appointment_scope
from .models import Appointment


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ListedAppointment:
    """An appointment as a list shows it."""

    id: int
    starts_at: datetime
    ends_at: datetime
    status: str
    description: str
    doctor: Person
    patient: Person


@dataclass(frozen=True, slots=True)
class AppointmentPage:
    """One page of a list, and how long the whole list is."""

    items: Sequence[ListedAppointment]
    total: int
    page: int
    page_size: int


_doctor = aliased(User)
_patient = aliased(User)
# The columns that are shown, and no more: a user's row holds a password hash.
_LISTED = (
    select(
        Appointment.id,
        Appointment.starts_at,
        Appointment.ends_at,
        Appointment.status,
        Appointment.description,
        _doctor.id.label("doctor_id"),
        _doctor.name.label("doctor_name"),
        _patient.id.label("patient_id"),
        _patient.name.label("patient_name"),
    )
    .join(_doctor, Appointment.doctor_id == _doctor.id)
    .join(_patient, Appointment.patient_id == _patient.id)
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
) -> AppointmentPage:
    """Return the viewer's own appointments, the earliest first.

    `day` is a day of UTC. Raises Forbidden for a user type that has none. Answer and refusal are
    both audited, and committed, before anybody learns them (45 CFR 164.312(b), ASVS 16.3.2).
    """
    own = _own(viewer)
    asked = {"day": day.isoformat()} if day else {}
    if own is None:
        with writing(sql):
            _audit(sql, viewer, now, Outcome.REFUSED, reason="user_type", **asked)
        raise Forbidden()
    with writing(sql):
        found = _read(sql, [own, *_within(day)], page=page, page_size=page_size)
        shown = [appointment.id for appointment in found.items]
        _audit(sql, viewer, now, Outcome.SUCCESS, appointment_ids=shown, **asked)
    return found


def _own(viewer: AccessClaims) -> ColumnElement[bool] | None:
    match appointment_scope(viewer.user_type, viewer.user_id):
        case OwnAsDoctor(user_id):
            return Appointment.doctor_id == user_id
        case OwnAsPatient(user_id):
            return Appointment.patient_id == user_id
        case Nothing():
            return None


def _within(day: date | None) -> list[ColumnElement[bool]]:
    if day is None:
        return []
    start = datetime.combine(day, time(), UTC)
    return [Appointment.starts_at >= start, Appointment.starts_at < start + timedelta(days=1)]


def _read(
    sql: Sql, conditions: list[ColumnElement[bool]], *, page: int, page_size: int
) -> AppointmentPage:
    total = sql.scalar(select(func.count()).select_from(Appointment).where(*conditions)) or 0
    rows = sql.execute(
        _LISTED.where(*conditions).offset((page - 1) * page_size).limit(page_size)
    ).all()
    return AppointmentPage([_listed(row) for row in rows], total, page, page_size)


def _listed(row: Row[*tuple[Any, ...]]) -> ListedAppointment:
    return ListedAppointment(
        row.id,
        row.starts_at,
        row.ends_at,
        row.status,
        row.description,
        Person(row.doctor_id, row.doctor_name),
        Person(row.patient_id, row.patient_name),
    )


def _audit(sql: Sql, viewer: AccessClaims, now: datetime, outcome: Outcome, **about: Any) -> None:
    record(
        sql,
        Event.APPOINTMENTS_LISTED,
        now=now,
        outcome=outcome,
        actor=acting(viewer.user_id),
        user_id=viewer.user_id,
        sid=viewer.sid,
        jti=viewer.jti,
        **about,
    )
