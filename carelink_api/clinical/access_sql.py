"""The rule of `access` in SQL: the one place that builds it.

Each tie is said once. A list asks whether it is there (`visible`), a single record by what
(`tie_columns`); both take from `access.RIGHTS` which ties count. What is built here is built once
for a user type, with places for what is known of one viewer; `values_of` fills them. (Building
it anew took a third of a list's time.)
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Boolean, ColumnElement, Row, and_, bindparam, case, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from .access import (
    APPOINTMENT_TIES_AFTER,
    APPOINTMENT_TIES_BEFORE,
    DISCHARGE_TIES_AFTER,
    MISSED_TIES_AFTER,
    Action,
    Tie,
    listing,
    may_break_glass,
    ties_of,
)
from .break_glass.holding import holds
from .break_glass.models import BreakGlassGrant
from .models import Appointment, CareTeamMember, Patient
from .viewer import Viewer


class TieInSql(Protocol):
    """How a tie is found: a condition on `Patient`, and the id of what makes it, or NULL."""

    def condition(self) -> ColumnElement[bool]: ...
    def reference(self) -> ColumnElement[int | None]: ...


@dataclass(frozen=True)
class InThePatientsRow:
    """A tie that stands in the patient's own row."""

    holds: ColumnElement[bool]
    column: InstrumentedAttribute[Any]

    def condition(self) -> ColumnElement[bool]:
        return self.holds

    def reference(self) -> ColumnElement[int | None]:
        return case((self.holds, self.column))


@dataclass(frozen=True)
class InRowsOf:
    """A tie made by a row of another table that names the patient."""

    id: InstrumentedAttribute[int]
    patient_id: InstrumentedAttribute[int]
    holds: ColumnElement[bool]

    def condition(self) -> ColumnElement[bool]:
        return Patient.id.in_(select(self.patient_id).where(self.holds))

    def reference(self) -> ColumnElement[int | None]:
        found = select(self.id).where(self.patient_id == Patient.id, self.holds)
        return found.order_by(self.id).limit(1).correlate(Patient).scalar_subquery()


_USER_ID: Any = bindparam("viewer_user_id")
_NOW: Any = bindparam("viewer_now")


def values_of(viewer: Viewer) -> dict[str, Any]:
    """Return what every statement with a condition of this module is executed with."""
    return {
        "viewer_user_id": viewer.user_id,
        "viewer_sid": viewer.sid,
        "viewer_now": viewer.now,
        "viewer_units": sorted(viewer.on_shift),
        "viewer_handoff_units": sorted(viewer.in_handoff),
        "viewer_may_break_glass": may_break_glass(viewer.user_type, on_duty=viewer.on_duty),
        "discharged_after": viewer.now - DISCHARGE_TIES_AFTER,
        "appointment_starts_until": viewer.now + APPOINTMENT_TIES_BEFORE,
        "appointment_ends_after": viewer.now - APPOINTMENT_TIES_AFTER,
        "missed_ends_after": viewer.now - MISSED_TIES_AFTER,
    }


def _in_units(name: str) -> TieInSql:
    still_theirs = or_(
        Patient.discharged_at.is_(None), Patient.discharged_at > bindparam("discharged_after")
    )
    units = Patient.unit_id.in_(bindparam(name, expanding=True))
    return InThePatientsRow(and_(units, still_theirs), Patient.unit_id)


def _in_care_team() -> TieInSql:
    member = CareTeamMember
    holds = and_(
        member.user_id == _USER_ID,
        member.starts_at <= _NOW,
        or_(member.ends_at.is_(None), member.ends_at > _NOW),
    )
    return InRowsOf(member.id, member.patient_id, holds)


def _by_appointment() -> TieInSql:
    came_or_lately = or_(
        Appointment.status != "noshow", Appointment.ends_at > bindparam("missed_ends_after")
    )
    holds = and_(
        Appointment.doctor_id == _USER_ID,
        Appointment.status != "cancelled",
        came_or_lately,
        Appointment.starts_at <= bindparam("appointment_starts_until"),
        Appointment.ends_at > bindparam("appointment_ends_after"),
    )
    return InRowsOf(Appointment.id, Appointment.patient_id, holds)


def _by_broken_glass() -> TieInSql:
    of_this_session = and_(
        bindparam("viewer_may_break_glass", type_=Boolean),
        BreakGlassGrant.sid == bindparam("viewer_sid"),
        BreakGlassGrant.user_id == _USER_ID,
        holds(_NOW),
    )
    return InRowsOf(BreakGlassGrant.id, BreakGlassGrant.patient_id, of_this_session)


_IN_SQL: dict[Tie, TieInSql] = {
    Tie.SELF: InThePatientsRow(Patient.user_id == _USER_ID, Patient.user_id),
    Tie.UNIT: _in_units("viewer_units"),
    Tie.HANDOFF: _in_units("viewer_handoff_units"),
    Tie.CARE_TEAM: _in_care_team(),
    Tie.APPOINTMENT: _by_appointment(),
    Tie.BREAK_GLASS: _by_broken_glass(),
}


@cache
def visible(user_type: str, action: Action = Action.READ) -> ColumnElement[bool]:
    """Return the condition on `Patient` under which a viewer may do that: for every list."""
    return or_(False, *(_IN_SQL[tie].condition() for tie in listing(user_type, action)))


@cache
def tie_columns(user_type: str) -> tuple[ColumnElement[int | None], ...]:
    """Return a column for each tie such a viewer can have, labelled so that `ties_in` finds it."""
    return tuple(_IN_SQL[tie].reference().label(f"tie_{tie}") for tie in ties_of(user_type))


def ties_in(row: Row[*tuple[Any, ...]]) -> dict[Tie, int]:
    """Return the ties in a row selected with `tie_columns`, each with the id of its cause."""
    held = {tie: row._mapping.get(f"tie_{tie}") for tie in Tie}
    return {tie: cause for tie, cause in held.items() if cause is not None}
