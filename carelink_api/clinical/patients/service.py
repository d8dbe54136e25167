"""Use cases of one patient's record."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import accessing
from ..models import Patient

Shown = dict[str, Any]
"""What a schema dumps, and `version` for the ETag: rows do not outlive their transaction."""


def read_patient(sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime) -> Shown:
    """Return a patient's record. Raises as `Access.chart` does, and Unavailable."""
    with accessing(sql, viewer, Event.PATIENT_READ, now=now) as access:
        return shown(access.chart(patient_id, Action.READ))


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
