"""Use cases of one patient's record."""

from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit
from ...audit.events import Event
from ...errors import Conflict, ValidationFailed
from ...idempotency.attempts import Attempt
from ...sessions.claims import AccessClaims
from .. import former
from ..access import CARE_TEAM_TIES_AFTER, Action
from ..accessing import Access, accessing
from ..models import CareTeamMember, Patient
from ..owning import find_owner
from .names import name_key, spelt

Shown = dict[str, Any]
"""What a schema dumps, and `version` for the ETag: rows do not outlive their transaction."""


class MrnTaken(Conflict):
    code, title = "mrn_taken", "MRN taken"
    detail = "There is a record with this MRN already."


class BedTaken(Conflict):
    code, title = "bed_taken", "Bed taken"
    detail = "Somebody lies in that bed."


class NotAdmitted(Conflict):
    code, title = "not_admitted", "Not admitted"
    detail = "There is no present stay to change."


class AlreadyAdmitted(Conflict):
    code, title = "already_admitted", "Already admitted"
    detail = "The present stay has to end first."


def read_patient(sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime) -> Shown:
    """Return a patient's record. Raises as `Access.chart` does, and Unavailable."""
    with accessing(sql, viewer, Event.PATIENT_READ, now=now) as access:
        return shown(access.chart(patient_id, Action.READ))


def create_patient(
    sql: Sql,
    viewer: AccessClaims,
    body: dict[str, Any],
    *,
    now: datetime,
    attempt: Attempt | None = None,
) -> Shown:
    """Open a record, and with a unit admit there, to a nurse; a doctor becomes the attending one.

    Raises Forbidden, InHandoff, MrnTaken, BedTaken, ValidationFailed, KeyReused, Unavailable.
    """

    def create() -> Shown:
        patient = Patient(mrn=body["mrn"], birth_date=body["birth_date"], version=1)
        _rename(patient, body["name"])
        _place(access, patient, body["unit_id"], body["bed"])
        patient.admitted_at = now if patient.unit else None
        sql.add(patient)
        _flush(sql)
        if viewer.user_type == "doctor":  # or it would be closed to who has opened it
            sql.add(CareTeamMember(patient_id=patient.id, user_id=viewer.user_id,
                                   role="attending", starts_at=now))  # fmt: skip
        if patient.unit:
            find_owner(access, patient, stays=False)
        access.showed([patient.id])
        return shown(patient)

    with accessing(sql, viewer, Event.PATIENT_CREATED, now=now) as access:
        access.may_admit_to(body["unit_id"])
        return access.once(attempt, create)


def change_patient(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    body: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Shown:
    """Change what `body` names; another unit is a transfer, and leaves the bed.

    Raises as `Access.chart` does, PreconditionFailed, NotAdmitted, BedTaken, ValidationFailed,
    Unavailable.
    """
    action = Action.OPEN if "unit_id" in body else Action.WRITE
    with accessing(sql, viewer, Event.PATIENT_CHANGED, now=now) as access:
        patient = access.chart(patient_id, action)
        former.change_patient(access, patient, version)
        access.about(fields=sorted(body))
        if "name" in body:
            _rename(patient, body["name"])
        if "birth_date" in body:
            patient.birth_date = body["birth_date"]
        if body.keys() & {"unit_id", "bed"}:
            _demand_stay(patient)
            _move(access, patient, body)
        _flush(sql)
        return shown(patient)


def admit_patient(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    body: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Shown:
    """Begin another stay. Raises as `Access.chart` does, PreconditionFailed, AlreadyAdmitted,
    BedTaken, ValidationFailed, Unavailable.
    """
    with accessing(sql, viewer, Event.PATIENT_ADMITTED, now=now) as access:
        patient = access.chart(patient_id, Action.OPEN)
        former.change_patient(access, patient, version)
        if patient.is_admitted:
            raise AlreadyAdmitted()
        _place(access, patient, body["unit_id"], body["bed"])
        patient.admitted_at, patient.discharged_at = now, None
        _flush(sql)
        find_owner(access, patient, stays=False)
        return shown(patient)


def discharge_patient(
    sql: Sql, viewer: AccessClaims, patient_id: int, *, version: int, now: datetime
) -> Shown:
    """End the present stay, and the care team: its nurses at once, its doctors in due time.

    Raises as `Access.chart` does, PreconditionFailed, NotAdmitted, Unavailable.
    """
    with accessing(sql, viewer, Event.PATIENT_DISCHARGED, now=now) as access:
        patient = access.chart(patient_id, Action.OPEN)
        former.change_patient(access, patient, version)
        _demand_stay(patient)
        patient.discharged_at = now
        later = case(
            (CareTeamMember.starts_at > now, CareTeamMember.starts_at),  # never begins
            (CareTeamMember.role == "nurse", now),
            else_=now + CARE_TEAM_TIES_AFTER,
        )
        sql.execute(
            update(CareTeamMember)
            .where(CareTeamMember.patient_id == patient_id, CareTeamMember.ends_at.is_(None))
            .values(ends_at=later, version=CareTeamMember.version + 1)
            .execution_options(synchronize_session=False)
        )
        return shown(patient)


def shown(patient: Patient) -> Shown:
    """Return what is shown of a patient."""
    return {
        "id": patient.id,
        "mrn": patient.mrn,
        "name": patient.name,
        "birth_date": patient.birth_date,
        "unit": patient.unit and {"id": patient.unit.id, "name": patient.unit.name},
        "bed": patient.bed,
        "admitted_at": patient.admitted_at,
        "discharged_at": patient.discharged_at,
        "version": patient.version,
    }


def _rename(patient: Patient, name: str) -> None:
    patient.name = spelt(name)
    if not patient.name:
        raise ValidationFailed({"name": ["Must hold a letter."]})
    patient.name_key = name_key(name)


def _place(access: Access, patient: Patient, unit_id: int | None, bed: str | None) -> None:
    unit = None
    if unit_id is not None:
        with access.sql.no_autoflush:  # what violates a constraint shows in `_flush`
            unit = access.sql.scalar(select(Unit).where(Unit.id == unit_id))
        if unit is None:
            raise ValidationFailed({"unit_id": ["There is no such unit."]})
    bed = None if bed is None else spelt(bed) or None
    if bed and not unit:
        raise ValidationFailed({"bed": ["A bed is in a unit."]})
    patient.unit, patient.bed = unit, bed


def _move(access: Access, patient: Patient, body: dict[str, Any]) -> None:
    """Put somebody into another bed; in another unit somebody of that one answers for them."""
    unit_id = body.get("unit_id", patient.unit_id)
    is_transfer = unit_id != patient.unit_id
    _place(access, patient, unit_id, body.get("bed", None if is_transfer else patient.bed))
    if is_transfer:
        _flush(access.sql)
        find_owner(access, patient, stays=True)


def _demand_stay(patient: Patient) -> None:
    if not patient.is_admitted:
        raise NotAdmitted()


def _flush(sql: Sql) -> None:
    """Write now: the unique constraints decide, so that two at once cannot both pass."""
    try:
        sql.flush()
    except IntegrityError as error:
        constraint = str(error.orig).splitlines()[0]
        raise MrnTaken() if "mrn" in constraint else BedTaken() from None
