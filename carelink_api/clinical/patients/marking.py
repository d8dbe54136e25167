"""Use case of operations: whose record a curious colleague might open in an alleged emergency.

A mark opens nothing, closes nothing and is shown to nobody who reads the record; it only shows with
an emergency access, to those who look into it.
"""

from datetime import datetime

from sqlalchemy.orm import Session as Sql

from ...accounts.models import UserType
from ...accounts.service import get_user
from ...audit.events import Event
from ...audit.record import record
from ...database import writing
from ...errors import ValidationFailed
from ..models import Patient
from .linking import locked_record


def mark_staff(sql: Sql, mrn: str, email: str | None, *, now: datetime, actor: str) -> None:
    """Say whose record of the staff this is; None: nobody's.

    Raises UnknownUser, UnknownRecord, and ValidationFailed for a patient's account.
    """
    with writing(sql):
        user = None if email is None else get_user(sql, email)
        if user is not None and user.user_type == UserType.PATIENT:
            raise ValidationFailed({"email": ["This is a patient's account: `patients link` it."]})
        patient = locked_record(sql, mrn)
        patient.staff_user_id = None if user is None else user.id
        _record(sql, patient, "staff", user is not None, now=now, actor=actor)


def mark_vip(sql: Sql, mrn: str, *, vip: bool, now: datetime, actor: str) -> None:
    """Say whether this is somebody of public interest. Raises UnknownRecord."""
    with writing(sql):
        patient = locked_record(sql, mrn)
        patient.vip = vip
        _record(sql, patient, "vip", vip, now=now, actor=actor)


def _record(
    sql: Sql, patient: Patient, mark: str, is_set: bool, *, now: datetime, actor: str
) -> None:
    about = [patient.id]
    event = Event.PATIENT_MARKED
    record(sql, event, now=now, actor=actor, patient_ids=about, mark=mark, set=is_set)
