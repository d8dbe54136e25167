"""The list of patients: filtered by the rule, in SQL, like every list and count."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..accessing import accessing
from ..models import Patient
from ..paging import Page, read_page
from .names import name_key

_LISTED = select(
    Patient.id,
    Patient.mrn,
    Patient.name,
    Patient.birth_date,
    Patient.bed,
    Patient.admitted_at,
    Patient.discharged_at,
    Patient.version,
    Unit.id.label("unit_id"),
    Unit.name.label("unit_name"),
).outerjoin(Unit, Patient.unit_id == Unit.id)
_SORTED_BY: dict[str, ColumnElement[Any]] = {
    "name": Patient.name_key.expression,
    "mrn": Patient.mrn.expression,
    "bed": Patient.bed.expression,
    "admitted_at": Patient.admitted_at.expression,
}
_STATUS: dict[str, tuple[ColumnElement[bool], ...]] = {
    "admitted": (Patient.admitted_at.is_not(None), Patient.discharged_at.is_(None)),
    "discharged": (Patient.discharged_at.is_not(None),),
    "outpatient": (Patient.admitted_at.is_(None),),
}


def list_patients(
    sql: Sql,
    viewer: AccessClaims,
    *,
    now: datetime,
    page: int,
    page_size: int,
    sort: str,
    **filters: Any,
) -> Page[dict[str, Any]]:
    """Return a page of the patients whom the viewer may see. Raises Forbidden, Unavailable."""
    with accessing(sql, viewer, Event.PATIENTS_LISTED, now=now) as access:
        access.about(asked=sorted(filters))  # what was typed may be a name: not for the trail
        asked = _sorted(access.visible(), sort)
        if filters:
            asked = asked.where(*_conditions(**filters))
        found = read_page(sql, asked, page=page, page_size=page_size, values=access.values)
        access.showed([row.id for row in found.items])
    return found.map(_shown)


def _conditions(
    *, q: str | None = None, unit_id: int | None = None, status: str | None = None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if q is not None:
        name = Patient.name_key.contains(name_key(q), autoescape=True)
        conditions.append(or_(name, Patient.mrn.startswith(q.strip().upper(), autoescape=True)))
    if unit_id is not None:
        conditions.append(Patient.unit_id == unit_id)
    if status is not None:
        conditions += _STATUS[status]
    return conditions


@cache
def _sorted(visible: ColumnElement[bool], sort: str) -> Select[*tuple[Any, ...]]:
    """Order by a column, then by id; what has none comes last, on every database."""
    column = _SORTED_BY[sort.removeprefix("-")]
    way = column.desc() if sort.startswith("-") else column.asc()
    return _LISTED.where(visible).order_by(way.nulls_last(), Patient.id)


def _shown(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    # Unpacked: reading each column by its name took a fifth of the list's time.
    patient_id, mrn, name, birth_date, bed, admitted_at, discharged_at, version, *unit = row
    unit_id, unit_name = unit
    return {
        "id": patient_id,
        "mrn": mrn,
        "name": name,
        "birth_date": birth_date,
        "bed": bed,
        "admitted_at": admitted_at,
        "discharged_at": discharged_at,
        "version": version,
        "unit": None if unit_id is None else {"id": unit_id, "name": unit_name},
    }
