"""Use cases of handoffs: give, accept, take back.

A patient has an owner from the admission on (`owning`), and never two: the one who gives stays it
until another accepts. The patient's row is locked meanwhile, so that of two acceptances one wins.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...errors import Conflict, Forbidden
from ...idempotency.attempts import Attempt
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import Access, accessing
from ..models import Patient
from ..owning import answer_for, is_there
from ..record_models import Handoff, PatientOwner
from .listing import Shown, one


class HandoffPending(Conflict):
    code, title = "handoff_pending", "Handoff pending"
    detail = "The patient is being handed over already."


class HandoffClosed(Conflict):
    code, title = "handoff_closed", "Handoff closed"
    detail = "The handoff has been accepted or taken back already, or another took the patient."


class OwnedByAnother(Conflict):
    """Somebody else answers for the patient, and is here to hand over."""

    code, title = "owned_by_another", "Owned by another"
    detail = "Another nurse who is on shift answers for this patient; only they hand over."


class OwnHandoff(Conflict):
    code, title = "own_handoff", "Own handoff"
    detail = "Another must accept it. Take it back to keep the patient."


def give(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    now: datetime,
    attempt: Attempt | None = None,
    **sbar: str,
) -> Shown:
    """Begin a handoff, and answer for the patient until somebody accepts.

    Where nobody answers for the patient, who gives does from now on; in place of an owner who is
    not on shift there any more, a colleague gives. Raises as `Access.chart`, HandoffPending,
    OwnedByAnother, KeyReused, Unavailable.
    """

    def create() -> Shown:
        pending = select(Handoff.id).filter_by(patient_id=patient_id, status="pending")
        if sql.scalar(pending) is not None:
            raise HandoffPending()
        _own_or_stand_in(access, patient)
        handoff = Handoff(patient_id=patient_id, given_by_id=viewer.user_id, given_at=now, **sbar)
        sql.add(handoff)
        sql.flush()
        access.about(handoff_id=handoff.id)
        return one(access, patient_id, handoff.id)

    with accessing(sql, viewer, Event.HANDOFF_GIVEN, now=now) as access:
        patient = access.chart(patient_id, Action.HAND_OVER)
        return access.once(attempt, create)


def accept(
    sql: Sql, viewer: AccessClaims, patient_id: int, handoff_id: int, *, now: datetime
) -> Shown:
    """Answer for the patient from now on.

    Raises as `Access.chart`, NotFound, HandoffClosed, OwnHandoff, Unavailable.
    """
    with accessing(sql, viewer, Event.HANDOFF_ACCEPTED, now=now) as access:
        access.chart(patient_id, Action.TAKE_OVER)
        handoff = _pending(access, patient_id, handoff_id)
        if handoff.given_by_id == viewer.user_id:
            raise OwnHandoff()
        access.about(owner_before=answer_for(sql, patient_id, viewer.user_id, now))
        close(access, handoff, "accepted")
        return one(access, patient_id, handoff_id)


def withdraw(
    sql: Sql, viewer: AccessClaims, patient_id: int, handoff_id: int, *, now: datetime
) -> Shown:
    """Take a handoff back: its giver's to do. The owner stays.

    Raises as `Access.chart`, NotFound, HandoffClosed, Forbidden, Unavailable.
    """
    with accessing(sql, viewer, Event.HANDOFF_WITHDRAWN, now=now) as access:
        access.chart(patient_id, Action.HAND_OVER)
        handoff = _pending(access, patient_id, handoff_id)
        if handoff.given_by_id != viewer.user_id:
            raise Forbidden()
        close(access, handoff, "withdrawn")
        return one(access, patient_id, handoff_id)


def _own_or_stand_in(access: Access, patient: Patient) -> None:
    sql, viewer = access.sql, access.viewer
    owner = sql.get(PatientOwner, patient.id)
    if owner is None:
        sql.add(PatientOwner(patient_id=patient.id, user_id=viewer.user_id, since=viewer.now))
    elif owner.user_id != viewer.user_id:
        if is_there(sql, owner.user_id, patient.unit_id, viewer.now):
            raise OwnedByAnother()
        access.about(in_place_of=owner.user_id)


def _pending(access: Access, patient_id: int, handoff_id: int) -> Handoff:
    """Return a handoff that can be closed, under the lock of the patient's row."""
    access.about(handoff_id=handoff_id)
    found = access.of_patient(Handoff, handoff_id, patient_id)
    if found.status != "pending":
        raise HandoffClosed()
    return found


def close(access: Access, handoff: Handoff, status: str) -> None:
    """Say what has become of a pending handoff, and by whom."""
    handoff.status, handoff.version = status, handoff.version + 1
    handoff.closed_by_id, handoff.closed_at = access.viewer.user_id, access.viewer.now
    access.sql.flush()
