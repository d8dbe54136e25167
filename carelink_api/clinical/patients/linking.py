"""Use cases of operations: which account is the patient's own.

One account has one record, and a record one account. The tie is asked for at every access, so that
it opens and closes the record at once, whatever session is running.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User, UserType
from ...accounts.service import get_user
from ...audit.events import Event
from ...audit.record import record
from ...database import writing
from ...errors import Conflict, NotFound, ValidationFailed
from ..models import Patient


class UnknownRecord(NotFound):
    detail = "There is no record with this MRN."


class AlreadyLinked(Conflict):
    code, title = "already_linked", "Already linked"


@dataclass(frozen=True, slots=True)
class Link:
    """An account and the record that is its owner's, by ids."""

    user_id: int
    email: str
    patient_id: int
    mrn: str


def link_account(sql: Sql, email: str, mrn: str, *, now: datetime, actor: str) -> Link:
    """Let an account read the record with this MRN as its own.

    Raises UnknownUser, UnknownRecord, AlreadyLinked, and ValidationFailed for an account that is
    no patient's.
    """
    with writing(sql):
        user, patient = _account(sql, email), locked_record(sql, mrn)
        if user.user_type != UserType.PATIENT:
            raise ValidationFailed({"email": ["This is not a patient's account."]})
        if patient.user_id is not None:
            raise AlreadyLinked("This record is linked to an account; unlink that one first.")
        if sql.scalar(select(Patient.id).where(Patient.user_id == user.id)) is not None:
            raise AlreadyLinked("This account is linked to another record; unlink it first.")
        patient.user_id = user.id
        return _audited(sql, Event.PATIENT_LINKED, user, patient, now=now, actor=actor)


def unlink_account(sql: Sql, email: str, *, now: datetime, actor: str) -> Link:
    """Close the record to the account it is linked to. Raises UnknownUser, UnknownRecord."""
    with writing(sql):
        user = _account(sql, email)
        held = select(Patient).where(Patient.user_id == user.id)
        patient = sql.scalar(held.with_for_update(of=Patient, key_share=True))
        if patient is None:
            raise UnknownRecord("This account is linked to no record.")
        patient.user_id = None
        return _audited(sql, Event.PATIENT_UNLINKED, user, patient, now=now, actor=actor)


def _account(sql: Sql, email: str) -> User:
    """Return the account, locked: of two links of one account the second sees the first."""
    user_id = get_user(sql, email).id
    found = select(User).where(User.id == user_id).with_for_update(of=User, key_share=True)
    return sql.scalars(found.execution_options(populate_existing=True)).one()


def locked_record(sql: Sql, mrn: str) -> Patient:
    """Return the record with this MRN, locked. Raises UnknownRecord."""
    asked = select(Patient).where(Patient.mrn == mrn.strip().upper())
    patient = sql.scalar(asked.with_for_update(of=Patient, key_share=True))
    if patient is None:
        raise UnknownRecord()
    return patient


def _audited(
    sql: Sql, event: Event, user: User, patient: Patient, *, now: datetime, actor: str
) -> Link:
    record(sql, event, now=now, actor=actor, patient_ids=[patient.id], account=user.id)
    return Link(user.id, user.email, patient.id, patient.mrn)
