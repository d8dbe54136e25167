"""From the MRN on a wristband to the record, whether it is open to one or only an emergency's."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...errors import NotFound
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import BreakGlassAvailable, accessing
from ..models import Patient


def find_patient(sql: Sql, viewer: AccessClaims, mrn: str, *, now: datetime) -> dict[str, Any]:
    """Return the id of the record with this MRN, and whether only an emergency opens it.

    Says no more than asking for that id would. Raises as `Access.chart` does otherwise.
    """
    with accessing(sql, viewer, Event.PATIENT_FOUND, now=now) as access:
        patient_id = sql.scalar(select(Patient.id).where(Patient.mrn == mrn))
        if patient_id is None:
            raise NotFound()
        try:
            access.chart(patient_id, Action.READ)
        except BreakGlassAvailable:
            return {"patient_id": patient_id, "break_glass": True}
        return {"patient_id": patient_id, "break_glass": False}
