"""One whole chart in one answer, so that opening it is one access in the patient's log."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..access import Action, Tie
from ..accessing import Access, accessing
from ..appointments.listing import LISTED as APPOINTMENTS
from ..appointments.listing import shown as appointment_shown
from ..break_glass.models import BreakGlassGrant
from ..handoffs.listing import pending_of
from ..models import Appointment, CareTeamMember, Patient
from ..notes.listing import latest_of
from ..observations.codes import VITAL_SIGNS
from ..record_models import Observation, PatientOwner

Shown = dict[str, Any]
MOST_POINTS = 5000
"""Of all vital signs together: every quarter of an hour for a week, of seven of them."""
NOTES_SHOWN = 30
APPOINTMENTS_SHOWN = 20
APPOINTMENTS_SINCE = timedelta(days=30)
"""What is over for longer says little about now."""


def read_chart(
    sql: Sql, viewer: AccessClaims, patient_id: int, *, hours: int, now: datetime
) -> Shown:
    """Return a patient's chart of some hours. Raises as `Access.chart`, and Unavailable."""
    since = now - timedelta(hours=hours)
    with accessing(sql, viewer, Event.CHART_READ, now=now) as access:
        patient = access.chart(patient_id, Action.READ)
        notes = latest_of(sql, patient_id, NOTES_SHOWN)
        trends = _trends(sql, patient_id, since)
        appointments = _appointments(sql, patient_id, now)
        access.about(
            hours=hours,
            note_ids=[note["id"] for note in notes],
            appointment_ids=[each["id"] for each in appointments],
        )
        return {
            "patient": _patient(patient),
            "basis": access.detail["basis"],
            "break_glass": _grant(access),
            "may": [action for action in _ASKED if access.may(action)],
            "since": since,
            "until": now,
            "trends": trends,
            "notes": notes,
            "owner": _owner(sql, patient_id),
            "pending_handoff": pending_of(sql, patient_id),
            "care_team": _care_team(sql, patient_id, now),
            "appointments": appointments,
        }


_ASKED = (Action.WRITE, Action.OPEN, Action.BOOK, Action.HAND_OVER, Action.TAKE_OVER,
          Action.READ_LOG)  # fmt: skip


def _patient(patient: Patient) -> Shown:
    columns = ("id", "mrn", "name", "birth_date", "bed", "admitted_at", "discharged_at", "version")
    unit = patient.unit and {"id": patient.unit.id, "name": patient.unit.name}
    return {name: getattr(patient, name) for name in columns} | {"unit": unit}


def _grant(access: Access) -> Shown | None:
    """Return by what emergency the record is open, where it is by none else."""
    if access.detail["basis"] != Tie.BREAK_GLASS:
        return None
    grant = access.sql.get_one(BreakGlassGrant, access.detail["basis_id"])
    return {"id": grant.id, "expires_at": grant.expires_at}


def _trends(sql: Sql, patient_id: int, since: datetime) -> list[Shown]:
    """Return each vital sign that was measured since then, the earliest value first."""
    found = sql.execute(
        select(Observation.code, Observation.id, Observation.effective_at, Observation.value)
        .where(
            Observation.patient_id == patient_id,
            Observation.status == "final",
            Observation.effective_at >= since,
        )
        .order_by(Observation.effective_at.desc(), Observation.id.desc())
        .limit(MOST_POINTS)
    ).all()
    by_code = sorted(found, key=lambda row: (row.code, row.effective_at, row.id))
    return [
        {
            "code": code,
            "name": VITAL_SIGNS[code].name,
            "unit": VITAL_SIGNS[code].unit,
            "points": [dict(row._mapping) for row in rows],
        }
        for code, rows in groupby(by_code, key=lambda row: row.code)
    ]


def _owner(sql: Sql, patient_id: int) -> Shown | None:
    row = sql.execute(
        select(User.id, User.name)
        .join(PatientOwner, PatientOwner.user_id == User.id)
        .where(PatientOwner.patient_id == patient_id)
    ).one_or_none()
    return row and dict(row._mapping)


def _care_team(sql: Sql, patient_id: int, now: datetime) -> list[Shown]:
    member = CareTeamMember
    rows = sql.execute(
        select(User.id, User.name, member.role)
        .join(member, member.user_id == User.id)
        .where(
            member.patient_id == patient_id,
            member.starts_at <= now,
            or_(member.ends_at.is_(None), member.ends_at > now),
        )
        .order_by(member.starts_at, member.id)
        .limit(50)
    )
    return [{"id": row.id, "name": row.name, "role": row.role} for row in rows]


def _appointments(sql: Sql, patient_id: int, now: datetime) -> list[Shown]:
    """Return what is to come and what was lately, the earliest first."""
    lately = Appointment.ends_at > now - APPOINTMENTS_SINCE
    asked = APPOINTMENTS.where(Appointment.patient_id == patient_id, lately)
    rows = sql.execute(asked.limit(APPOINTMENTS_SHOWN))
    return [appointment_shown(row) for row in rows]
