"""Use case: take a patient whom nobody who is there answers for.

So came who was admitted when no nurse was on shift, and so lies whose nurse has gone home without
handing over; what she has given and nobody accepted is superseded. The patient's row is locked: of
two who take at once, one does.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...errors import Conflict
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import Access, accessing
from ..owning import answer_for, is_there
from ..patients.service import NotAdmitted
from ..record_models import Handoff, PatientOwner
from .listing import Shown, owner_of
from .service import close


class HasOwner(Conflict):
    code, title = "has_owner", "Has an owner"
    detail = "A nurse who is on shift answers for this patient already; they hand over."


def take(sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime) -> Shown:
    """Answer for the patient from now on; again changes nothing.

    Raises as `Access.chart`, NotAdmitted, HasOwner, Unavailable.
    """
    with accessing(sql, viewer, Event.OWNER_TAKEN, now=now) as access:
        patient = access.chart(patient_id, Action.TAKE_OVER)
        if not patient.is_admitted:
            raise NotAdmitted()
        known = sql.get(PatientOwner, patient_id)
        if known is None or known.user_id != viewer.user_id:
            if known and is_there(sql, known.user_id, patient.unit_id, now):
                raise HasOwner()
            if before := answer_for(sql, patient_id, viewer.user_id, now):
                access.about(owner_before=before)
            _supersede(access, patient_id)
            sql.flush()
        return owner_of(sql, patient)


def _supersede(access: Access, patient_id: int) -> None:
    """Close the handoff that waits, if any: who accepted it now would take the patient again."""
    waits = select(Handoff).filter_by(patient_id=patient_id, status="pending")
    if (handoff := access.sql.scalar(waits)) is not None:
        close(access, handoff, "superseded")
        access.about(superseded_handoff=handoff.id)
