"""Who answers for somebody who comes to a unit: nobody lies there without an owner, or unseen.

From then on it is handed over (`handoffs`).
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import User, UserType
from ..shifts.models import Shift
from ..shifts.service import units_on_shift
from .accessing import Access
from .models import Patient
from .record_models import PatientOwner


def find_owner(access: Access, patient: Patient, *, stays: bool) -> None:
    """Give a patient who has just come to a unit an owner there; the event names them.

    The nurse who admits, where she is on shift there; otherwise the unit's charge nurse, or who
    stays longest of its nurses. Where there is none, who has answered for the patient so far still
    does if the stay goes on (`stays`: a transfer), and nobody does at its beginning: the event says
    so, and so does `GET .../owner/`. The caller holds the patient's row.
    """
    sql, viewer, unit_id = access.sql, access.viewer, patient.unit_id
    assert unit_id is not None  # somebody lies there
    known = sql.get(PatientOwner, patient.id)
    found = viewer.user_id if unit_id in viewer.on_shift else leading(sql, unit_id, viewer.now)
    if known is not None:
        access.about(owner_before=known.user_id)
    if found is None:
        access.about(no_owner="nobody_on_shift")
        if known is not None and not stays:
            sql.delete(known)
        return
    access.about(owner=found)
    answer_for(sql, patient.id, found, viewer.now)


def is_there(sql: Sql, user_id: int, unit_id: int | None, now: datetime) -> bool:
    """Return whether a nurse is on shift in a unit, handoff time included, and may log in."""
    user = sql.get_one(User, user_id)
    enabled = user.disabled_at is None and user.user_type == UserType.NURSE
    return enabled and unit_id in units_on_shift(sql, user_id, now)


def answer_for(sql: Sql, patient_id: int, user_id: int, now: datetime) -> int | None:
    """Let a nurse answer for a patient whose row is locked; return who did before, or None."""
    row = sql.get(PatientOwner, patient_id)
    if row is None:
        sql.add(PatientOwner(patient_id=patient_id, user_id=user_id, since=now))
        return None
    before, row.user_id, row.since = row.user_id, user_id, now
    return before


def leading(sql: Sql, unit_id: int, now: datetime) -> int | None:
    """Return the charge nurse of a unit, else the nurse who stays longest; None: nobody is there.

    In shift time: who is in handoff time takes nobody any more.
    """
    there = (
        Shift.unit_id == unit_id,
        Shift.cancelled_at.is_(None),
        Shift.starts_at <= now,
        Shift.ends_at > now,
    )
    able = (User.user_type == "nurse", User.disabled_at.is_(None))
    return sql.scalar(
        select(Shift.user_id)
        .join(User, User.id == Shift.user_id)
        .where(*there, *able)
        .order_by(Shift.in_charge.desc(), Shift.ends_at.desc(), Shift.id)
        .limit(1)
    )
