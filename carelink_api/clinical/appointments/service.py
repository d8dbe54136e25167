"""Use cases of one appointment: book, move, close, and never two of one doctor at once."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User
from ...audit.events import Event
from ...errors import Conflict, Forbidden, NotFound, ValidationFailed
from ...idempotency.attempts import Attempt
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import Access, BreakGlassAvailable, accessing
from ..former import change_appointment
from ..models import Appointment
from .listing import LISTED, shown
from .rules import KEEPS_ITS_TIME, Refusal, Status, refusal, refusal_to_undo

LONGEST = timedelta(hours=8)
_DOCTORS_LOCK = 0x0D0C
"""The first half of PostgreSQL's advisory locks on doctors' calendars; the other is the doctor."""
Shown = dict[str, Any]


class DoubleBooked(Conflict):
    code, title = "double_booked", "Double booked"
    detail = "The doctor has another appointment at that time."


class NotBooked(Conflict):
    code, title = "not_booked", "Not booked"
    detail = "It has been held, missed or cancelled: book another."


class NotBegun(Conflict):
    code, title = "not_begun", "Not begun"
    detail = "Whether the patient came is known from its start on: until then, move or cancel it."


class NotClosed(Conflict):
    code, title = "not_closed", "Not closed"
    detail = "It has neither been held nor missed: there is nothing to undo."


class TooLateToUndo(Conflict):
    code, title = "too_late_to_undo", "Too late to undo"
    detail = "What was said of an appointment can be undone within seven days of its end."


_REFUSED: dict[Refusal, type[Conflict]] = {
    Refusal.NOT_BOOKED: NotBooked,
    Refusal.NOT_BEGUN: NotBegun,
    Refusal.NOT_CLOSED: NotClosed,
    Refusal.TOO_LATE: TooLateToUndo,
}
_CLOSING: dict[Status, tuple[Event, Action]] = {
    Status.CANCELLED: (Event.APPOINTMENT_CANCELLED, Action.BOOK),
    # An entry in the record, which patients do not make: for who may write there.
    Status.FULFILLED: (Event.APPOINTMENT_FULFILLED, Action.WRITE),
    Status.NOSHOW: (Event.APPOINTMENT_MISSED, Action.WRITE),
}
"""By what an appointment becomes: the event, and who may."""


def read_appointment(
    sql: Sql, viewer: AccessClaims, appointment_id: int, *, now: datetime
) -> Shown:
    """Return an appointment. Raises NotFound, Unavailable."""
    with accessing(sql, viewer, Event.APPOINTMENT_READ, now=now) as access:
        open_appointment(access, appointment_id, Action.READ)
        return _read(sql, appointment_id)


def book(
    sql: Sql,
    viewer: AccessClaims,
    body: dict[str, Any],
    *,
    now: datetime,
    attempt: Attempt | None = None,
) -> Shown:
    """Book for a patient with any doctor.

    Raises as `Access.chart` does, DoubleBooked, ValidationFailed, KeyReused, Unavailable.
    """

    def create() -> Shown:
        _check_times(body["starts_at"], body["ends_at"], now)
        _check_doctor(sql, body["doctor_id"])
        appointment = Appointment(**body, status="booked", version=1)
        _demand_free(sql, appointment)
        sql.add(appointment)
        sql.flush()
        access.about(appointment_id=appointment.id)
        return _read(sql, appointment.id)

    with accessing(sql, viewer, Event.APPOINTMENT_BOOKED, now=now) as access:
        access.chart(body["patient_id"], Action.BOOK)
        return access.once(attempt, create)


def move(
    sql: Sql,
    viewer: AccessClaims,
    appointment_id: int,
    body: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Shown:
    """Change what `body` names of an appointment that is still booked.

    Raises NotFound, Forbidden, PreconditionFailed, NotBooked, DoubleBooked, ValidationFailed,
    Unavailable.
    """
    with accessing(sql, viewer, Event.APPOINTMENT_MOVED, now=now) as access:
        appointment = _open_booked(access, appointment_id, Action.BOOK, Status.BOOKED, version)
        access.about(fields=sorted(body))
        for name, value in body.items():
            setattr(appointment, name, value)
        if body.keys() & {"starts_at", "ends_at"}:
            _check_times(appointment.starts_at, appointment.ends_at, now)
            _demand_free(sql, appointment)
        sql.flush()
        return _read(sql, appointment_id)


def close(
    sql: Sql,
    viewer: AccessClaims,
    appointment_id: int,
    becomes: Status,
    *,
    version: int,
    now: datetime,
) -> Shown:
    """Say what became of an appointment that is still booked.

    Raises NotFound, Forbidden, PreconditionFailed, NotBooked, NotBegun, Unavailable.
    """
    event, action = _CLOSING[becomes]
    with accessing(sql, viewer, event, now=now) as access:
        _open_booked(access, appointment_id, action, becomes, version).status = becomes
        sql.flush()
        return _read(sql, appointment_id)


def reopen(
    sql: Sql,
    viewer: AccessClaims,
    appointment_id: int,
    *,
    reason_code: str,
    version: int,
    now: datetime,
) -> Shown:
    """Book again what was wrongly said to have been held or missed.

    Raises NotFound, Forbidden, PreconditionFailed, NotClosed, TooLateToUndo, DoubleBooked where its
    time has been given away, Unavailable.
    """
    with accessing(sql, viewer, Event.APPOINTMENT_REOPENED, now=now) as access:
        access.about(reason_code=reason_code)
        appointment = _open_locked(access, appointment_id, Action.WRITE, version)
        access.about(before=appointment.status)
        if fault := refusal_to_undo(appointment.status, ends_at=appointment.ends_at, now=now):
            raise _REFUSED[fault]()
        _demand_free(sql, appointment)
        appointment.status = Status.BOOKED
        sql.flush()
        return _read(sql, appointment_id)


def open_appointment(access: Access, appointment_id: int, action: Action) -> Appointment:
    """Return an appointment that the viewer may read, or change with `action`.

    Its doctor needs no other tie, but changes it only until it is over: an old one moved to today
    would open the record again. Who has no tie learns nothing of it, not even that it is there.
    """
    access.about(appointment_id=appointment_id)
    appointment = access.sql.get(Appointment, appointment_id)
    if appointment is None:
        raise NotFound()
    viewer = access.viewer
    is_its_doctor = viewer.user_type == "doctor" and viewer.user_id == appointment.doctor_id
    if is_its_doctor and (action is Action.READ or appointment.ends_at > viewer.now):
        access.showed([appointment.patient_id], basis="appointment", basis_id=appointment_id)
        return appointment
    try:
        access.chart(appointment.patient_id, action)
    except (BreakGlassAvailable, NotFound):
        raise (Forbidden if is_its_doctor else NotFound)() from None
    return appointment


def _open_booked(
    access: Access, appointment_id: int, action: Action, becomes: Status, version: int
) -> Appointment:
    appointment = _open_locked(access, appointment_id, action, version)
    now = access.viewer.now
    if fault := refusal(appointment.status, becomes, starts_at=appointment.starts_at, now=now):
        raise _REFUSED[fault]()
    return appointment


def _open_locked(access: Access, appointment_id: int, action: Action, version: int) -> Appointment:
    """Return it locked, its doctor's calendar too, with its change counted."""
    appointment = open_appointment(access, appointment_id, action)
    _lock_calendar(access.sql, appointment.doctor_id)
    access.sql.refresh(appointment, with_for_update=True)
    change_appointment(access, appointment, version)
    return appointment


def _check_times(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if starts_at < now:
        raise ValidationFailed({"starts_at": ["Lies in the past."]})
    if not timedelta() < ends_at - starts_at <= LONGEST:
        raise ValidationFailed({"ends_at": ["Must be after starts_at, by at most 8 hours."]})


def _check_doctor(sql: Sql, doctor_id: int) -> None:
    there = select(User.id).where(
        User.id == doctor_id, User.user_type == "doctor", User.disabled_at.is_(None)
    )
    if sql.scalar(there) is None:
        raise ValidationFailed({"doctor_id": ["There is no such doctor."]})


def _demand_free(sql: Sql, wanted: Appointment) -> None:
    """Raise DoubleBooked where the doctor is taken; nobody else can book meanwhile."""
    _lock_calendar(sql, wanted.doctor_id)
    with sql.no_autoflush:
        taken = sql.scalar(
            select(Appointment.id)
            .where(
                Appointment.doctor_id == wanted.doctor_id,
                Appointment.status.in_(KEEPS_ITS_TIME),
                Appointment.starts_at < wanted.ends_at,
                Appointment.starts_at > wanted.starts_at - LONGEST,  # for the index
                Appointment.ends_at > wanted.starts_at,
                Appointment.id.is_distinct_from(wanted.id),
            )
            .limit(1)
        )
    if taken is not None:
        raise DoubleBooked()


def _lock_calendar(sql: Sql, doctor_id: int) -> None:
    """Hold a doctor's calendar until the transaction ends. SQLite has one writer anyway."""
    if sql.get_bind().dialect.name == "postgresql":
        sql.execute(select(func.pg_advisory_xact_lock(_DOCTORS_LOCK, doctor_id)))


def _read(sql: Sql, appointment_id: int) -> Shown:
    return shown(sql.execute(LISTED.where(Appointment.id == appointment_id)).one())
