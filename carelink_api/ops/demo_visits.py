"""Appointments of the demo hospital, and what the trail says of two emergencies in it."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import insert
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..clinical.access import Tie
from ..clinical.break_glass.models import BreakGlassGrant
from ..clinical.break_glass.rules import REVIEW_DUE_AFTER
from ..clinical.models import Appointment
from ..extensions import settings
from .demo_house import House, Lying
from .demo_people import DOCTORS
from .demo_records import attending


class _Slot(NamedTuple):
    day: int
    """Days from today."""
    hour: float
    status: Literal["booked", "fulfilled", "cancelled"]
    description: str


_LINKED = (
    _Slot(-7, 9, "fulfilled", "First consultation"),
    _Slot(-1, 14, "fulfilled", "Blood pressure check"),
    _Slot(0, 0, "booked", "Blood test"),
    _Slot(0, 10, "cancelled", "Physiotherapy"),
    _Slot(0, 23, "booked", "Night observation"),
    _Slot(1, 9, "booked", "Discussion of the results"),
    _Slot(7, 9, "booked", "Follow-up"),
)
"""Of the printed patient."""
_OTHERS = (
    _Slot(0, 8, "booked", "Ward round"),
    _Slot(0, 11.5, "booked", "Ultrasound"),
    _Slot(0, 15, "booked", "Talk with the family"),
    _Slot(1, 10.5, "booked", "Echocardiography"),
    _Slot(2, 13, "booked", "Discharge planning"),
)
"""One with each of a doctor's first patients."""


def book(sql: Sql, house: House, now: datetime) -> None:
    """Write the appointments, in the caller's transaction."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    rows = [_booked(house.linked, slot, house, midnight) for slot in _LINKED]
    for each in house.patients:
        number = each.who.number // DOCTORS
        if each != house.linked and number < len(_OTHERS):
            rows.append(_booked(each, _OTHERS[number], house, midnight))
    sql.execute(insert(Appointment), rows)


def _booked(patient: Lying, slot: _Slot, house: House, midnight: datetime) -> dict[str, Any]:
    starts_at = midnight + timedelta(days=slot.day, hours=slot.hour)
    return {
        "doctor_id": attending(house, patient),
        "patient_id": patient.id,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=30),
        "status": slot.status,
        "description": slot.description,
    }


class _Emergency(NamedTuple):
    sid: str
    breaker: int
    patient: Lying
    days_ago: float
    reason_code: str
    reason_text: str


def _emergencies(house: House) -> Iterator[_Emergency]:
    """Yield one that waits for its review, and one of which that is overdue."""
    doctor = house.doctors["Ward 7"][0]
    nurse = house.teams["Emergency"][0][0]
    icu, ward = (
        [each for each in house.patients if each.who.place.name == name]
        for name in ("ICU", "Ward 7")
    )
    yield _Emergency("demo-grant-that-waits-", doctor, icu[0], 0.8, "consultation",
                     "Called to the ICU for a patient with fever and falling pressure")  # fmt: skip
    yield _Emergency("demo-grant-overdue----", nurse, ward[19], 4.5, "life_threatening",
                     "Found on the floor in front of the lift")  # fmt: skip


def break_glass(sql: Sql, house: House, now: datetime) -> None:
    """Write the emergencies and what was read in them, in the caller's transaction."""
    for each in _emergencies(house):
        opened_at = now - timedelta(days=each.days_ago)
        grant = BreakGlassGrant(
            user_id=each.breaker,
            patient_id=each.patient.id,
            unit_id=house.units[each.patient.who.place.name],
            sid=each.sid,
            reason_code=each.reason_code,
            reason_text=each.reason_text,
            in_handoff=False,
            opened_at=opened_at,
            expires_at=opened_at + settings().break_glass,
            due_at=opened_at + REVIEW_DUE_AFTER,
        )
        sql.add(grant)
        sql.flush()
        told: dict[str, Any] = {"basis": str(Tie.BREAK_GLASS), "basis_id": grant.id}
        alert = {"outcome": Outcome.ALERT, "reason_code": each.reason_code, "in_handoff": False}
        for minutes, event, more in (
            (0, Event.BREAK_GLASS_OPENED, alert),
            (1, Event.PATIENT_READ, {}),
            (2, Event.OBSERVATIONS_LISTED, {}),
        ):
            record(
                sql,
                event,
                now=opened_at + timedelta(minutes=minutes),
                actor=acting(each.breaker),
                user_id=each.breaker,
                sid=each.sid,
                patient_ids=[each.patient.id],
                **(told | more),
            )
