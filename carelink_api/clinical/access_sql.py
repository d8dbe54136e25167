"""The rule of `access` in SQL: the one place that builds it.

Each tie is said once. A list asks whether it is there (`visible`), a single record by what
(`tie_columns`); both take from `access.RIGHTS` which ties count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Row, and_, case, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from .access import (
    APPOINTMENT_TIES_AFTER,
    APPOINTMENT_TIES_BEFORE,
    DISCHARGE_TIES_AFTER,
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


def _own_account(viewer: Viewer) -> TieInSql:
    return InThePatientsRow(Patient.user_id == viewer.user_id, Patient.user_id)


def _in_units(units: frozenset[int], viewer: Viewer) -> TieInSql:
    still_theirs = or_(
        Patient.discharged_at.is_(None), Patient.discharged_at > viewer.now - DISCHARGE_TIES_AFTER
    )
    return InThePatientsRow(and_(Patient.unit_id.in_(sorted(units)), still_theirs), Patient.unit_id)


def _in_care_team(viewer: Viewer) -> TieInSql:
    member = CareTeamMember
    holds = and_(
        member.user_id == viewer.user_id,
        member.starts_at <= viewer.now,
        or_(member.ends_at.is_(None), member.ends_at > viewer.now),
    )
    return InRowsOf(member.id, member.patient_id, holds)


def _by_appointment(viewer: Viewer) -> TieInSql:
    holds = and_(
        Appointment.doctor_id == viewer.user_id,
        Appointment.status != "cancelled",
        Appointment.starts_at <= viewer.now + APPOINTMENT_TIES_BEFORE,
        Appointment.ends_at > viewer.now - APPOINTMENT_TIES_AFTER,
    )
    return InRowsOf(Appointment.id, Appointment.patient_id, holds)


def _by_broken_glass(viewer: Viewer) -> TieInSql:
    allowed = may_break_glass(viewer.user_type, on_duty=viewer.on_duty)
    of_this_session = and_(
        true() if allowed else false(),
        BreakGlassGrant.sid == viewer.sid,
        BreakGlassGrant.user_id == viewer.user_id,
        holds(viewer.now),
    )
    return InRowsOf(BreakGlassGrant.id, BreakGlassGrant.patient_id, of_this_session)


_IN_SQL: dict[Tie, Callable[[Viewer], TieInSql]] = {
    Tie.SELF: _own_account,
    Tie.UNIT: lambda viewer: _in_units(viewer.on_shift, viewer),
    Tie.HANDOFF: lambda viewer: _in_units(viewer.in_handoff, viewer),
    Tie.CARE_TEAM: _in_care_team,
    Tie.APPOINTMENT: _by_appointment,
    Tie.BREAK_GLASS: _by_broken_glass,
}


def _ties(kinds: tuple[Tie, ...], viewer: Viewer) -> Iterator[tuple[Tie, TieInSql]]:
    for tie in kinds:
        yield tie, _IN_SQL[tie](viewer)


def visible(viewer: Viewer, action: Action = Action.READ) -> ColumnElement[bool]:
    """Return the condition on `Patient` under which the viewer may do that: for every list."""
    kinds = listing(viewer.user_type, action)
    return or_(False, *(tie.condition() for _, tie in _ties(kinds, viewer)))


def tie_columns(viewer: Viewer) -> list[ColumnElement[int | None]]:
    """Return a column for each tie the viewer can have, labelled so that `ties_in` finds it."""
    kinds = ties_of(viewer.user_type)
    return [found.reference().label(f"tie_{tie}") for tie, found in _ties(kinds, viewer)]


def ties_in(row: Row[*tuple[Any, ...]]) -> dict[Tie, int]:
    """Return the ties in a row selected with `tie_columns`, each with the id of its cause."""
    held = {tie: row._mapping.get(f"tie_{tie}") for tie in Tie}
    return {tie: cause for tie, cause in held.items() if cause is not None}
