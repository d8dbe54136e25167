"""Who has opened a record, when and why: for the one whose it is (GDPR Art. 15, 45 CFR 164.528)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User, UserType
from ...audit.events import Event
from ...audit.models import AuditedPatient, AuditEvent
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import accessing
from ..paging import Page, read_page

_LOGGED = (
    select(
        AuditEvent.recorded_at,
        AuditEvent.event,
        AuditEvent.outcome,
        AuditEvent.detail,
        User.id.label("user_id"),
        User.name,
        User.user_type,
    )
    .join(AuditedPatient, AuditedPatient.event_id == AuditEvent.id)
    .outerjoin(User, User.id == AuditEvent.user_id)
    .order_by(AuditEvent.id.desc())
)


def list_accesses(
    sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime, page: int, page_size: int
) -> Page[dict[str, Any]]:
    """Return a page of every access to the record, the refused ones and its lists among them.

    All of them: a log of the last few would not tell who was there (I v Finland, ECHR 2008).
    Raises as `Access.chart` does, and Unavailable.
    """
    with accessing(sql, viewer, Event.ACCESS_LOG_READ, now=now) as access:
        access.chart(patient_id, Action.READ_LOG)
        asked = _LOGGED.where(AuditedPatient.patient_id == patient_id)
        found = read_page(sql, asked, page=page, page_size=page_size)
        return found.map(lambda row: _shown(row, viewer.user_id))


def _shown(row: Row[*tuple[Any, ...]], viewer_id: int) -> dict[str, Any]:
    detail = row.detail or {}
    # That somebody else is a patient here is nothing to tell a patient: another's try was refused.
    known = row.user_id is not None and (
        row.user_type != UserType.PATIENT or row.user_id == viewer_id
    )
    who = {"id": row.user_id, "name": row.name, "user_type": row.user_type}
    return {
        "at": row.recorded_at,
        "event": row.event,
        "outcome": row.outcome,
        "user": who if known else None,
        "basis": detail.get("basis"),
        "reason_code": detail.get("reason_code"),
    }
