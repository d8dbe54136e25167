"""Reading handoffs, and who answers for a patient."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from ...accounts.models import User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import Access, accessing
from ..models import Patient
from ..paging import Page, read_page
from ..people import named, person
from ..record_models import Handoff, PatientOwner

Shown = dict[str, Any]
_giver, _closer = aliased(User), aliased(User)
# The columns that are shown, and no more: a user's row holds a password hash.
_SHOWN = (
    select(
        *(
            column
            for column in Handoff.__table__.columns
            if column.name not in ("given_by_id", "closed_by_id")
        ),
        Patient.name.label("patient_name"),
        *named(_giver, "giver"),
        *named(_closer, "closer"),
    )
    .join(Patient, Handoff.patient_id == Patient.id)
    .join(_giver, Handoff.given_by_id == _giver.id)
    .outerjoin(_closer, Handoff.closed_by_id == _closer.id)
)


def list_handoffs(
    sql: Sql,
    viewer: AccessClaims,
    *,
    page: int,
    page_size: int,
    now: datetime,
    status: str | None = None,
) -> Page[Shown]:
    """Return a page of the handoffs of patients whom the viewer may see.

    Raises Forbidden for a user type that sees none, Unavailable.
    """
    with accessing(sql, viewer, Event.HANDOFFS_LISTED, now=now) as access:
        conditions = [access.visible(), *_with(status)]
        found = _page(sql, conditions, page=page, page_size=page_size, values=access.values)
        ids = [each["id"] for each in found.items]
        access.showed([each["patient_id"] for each in found.items], handoff_ids=ids)
        return found


def list_of_patient(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    page: int,
    page_size: int,
    now: datetime,
    status: str | None = None,
) -> Page[Shown]:
    """Return a page of a patient's handoffs. Raises as `Access.chart`, and Unavailable."""
    with accessing(sql, viewer, Event.HANDOFFS_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        conditions = [Handoff.patient_id == patient_id, *_with(status)]
        found = _page(sql, conditions, page=page, page_size=page_size)
        access.about(handoff_ids=[each["id"] for each in found.items])
        return found


def read_handoff(
    sql: Sql, viewer: AccessClaims, patient_id: int, handoff_id: int, *, now: datetime
) -> Shown:
    """Return one handoff. Raises as `Access.chart`, NotFound, Unavailable."""
    with accessing(sql, viewer, Event.HANDOFF_READ, now=now) as access:
        access.chart(patient_id, Action.READ)
        access.about(handoff_id=handoff_id)
        return one(access, patient_id, handoff_id)


def read_owner(sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime) -> Shown:
    """Return who answers for a patient. Raises as `Access.chart`, and Unavailable."""
    with accessing(sql, viewer, Event.OWNER_READ, now=now) as access:
        return owner_of(sql, access.chart(patient_id, Action.READ))


def owner_of(sql: Sql, patient: Patient) -> Shown:
    """Return who answers for a patient, or why nobody does; within an access."""
    asked = (
        select(User.id, User.name, PatientOwner.since)
        .join(User, PatientOwner.user_id == User.id)
        .where(PatientOwner.patient_id == patient.id)
    )
    row = sql.execute(asked).one_or_none()
    if row is None:
        reason = "unassigned" if patient.is_admitted else "not_admitted"
        return {"owner": None, "since": None, "reason": reason}
    return {"owner": {"id": row.id, "name": row.name}, "since": row.since, "reason": None}


def pending_of(sql: Sql, patient_id: int) -> Shown | None:
    """Return a patient's handoff that nobody has accepted yet, or None; within an access."""
    asked = _SHOWN.where(Handoff.patient_id == patient_id, Handoff.status == "pending")
    row = sql.execute(asked).one_or_none()
    return row and _shown(row)


def one(access: Access, patient_id: int, handoff_id: int) -> Shown:
    """Return what is shown of a patient's handoff. Raises NotFound."""
    asked = _SHOWN.where(Handoff.id == handoff_id, Handoff.patient_id == patient_id)
    return _shown(access.one(asked))


def _with(status: str | None) -> list[ColumnElement[bool]]:
    return [] if status is None else [Handoff.status == status]


def _page(sql: Sql, conditions: list[ColumnElement[bool]], **how: Any) -> Page[Shown]:
    asked = _SHOWN.where(*conditions).order_by(Handoff.given_at.desc(), Handoff.id.desc())
    return read_page(sql, asked, **how).map(_shown)


def _shown(row: Row[*tuple[Any, ...]]) -> Shown:
    return {
        **row._mapping,
        "patient": {"id": row.patient_id, "name": row.patient_name},
        "given_by": person(row, "giver"),
        "closed_by": person(row, "closer"),
    }
