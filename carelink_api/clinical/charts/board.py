"""The board: everybody whom one looks after, with the latest vital signs, in one answer."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from ...accounts.models import Unit, User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..accessing import accessing
from ..models import Patient
from ..paging import Page, read_page
from ..record_models import Handoff, Observation, PatientOwner

Shown = dict[str, Any]
LATEST_WITHIN = timedelta(hours=48)
"""What was measured earlier says nothing about now."""
_owner, _giver = aliased(User), aliased(User)
_LISTED = (
    select(
        Patient.id,
        Patient.mrn,
        Patient.name,
        Patient.birth_date,
        Patient.bed,
        Patient.admitted_at,
        Patient.discharged_at,
        Unit.id.label("unit_id"),
        Unit.name.label("unit_name"),
        _owner.id.label("owner_id"),
        _owner.name.label("owner_name"),
        Handoff.id.label("handoff_id"),
        Handoff.given_at,
        _giver.id.label("giver_id"),
        _giver.name.label("giver_name"),
    )
    .outerjoin(Unit, Patient.unit_id == Unit.id)
    .outerjoin(PatientOwner, PatientOwner.patient_id == Patient.id)
    .outerjoin(_owner, _owner.id == PatientOwner.user_id)
    .outerjoin(Handoff, and_(Handoff.patient_id == Patient.id, Handoff.status == "pending"))
    .outerjoin(_giver, _giver.id == Handoff.given_by_id)
    .order_by(Patient.discharged_at.is_not(None), Unit.name.nulls_last(),
              Patient.bed.nulls_last(), Patient.name_key, Patient.id)
)  # fmt: skip


def read_board(
    sql: Sql,
    viewer: AccessClaims,
    *,
    now: datetime,
    page: int,
    page_size: int,
    unit_id: int | None = None,
) -> Page[Shown]:
    """Return a page of the patients whom the viewer may see. Raises Forbidden, Unavailable."""
    with accessing(sql, viewer, Event.BOARD_READ, now=now) as access:
        asked = _LISTED.where(access.visible())
        if unit_id is not None:
            asked = asked.where(Patient.unit_id == unit_id)
        found = read_page(sql, asked, page=page, page_size=page_size, values=access.values)
        ids = [row.id for row in found.items]
        latest = _latest_signs(sql, ids, now)
        access.showed(ids)
    return found.map(lambda row: _shown(row, latest[row.id]))


def _latest_signs(sql: Sql, patient_ids: Sequence[int], now: datetime) -> dict[int, list[Shown]]:
    """Return of each patient the latest of each vital sign, and what it was before."""
    signs: dict[int, list[Shown]] = defaultdict(list)
    for row in sql.execute(_last_two(patient_ids, now)):
        if row.place == 1:
            signs[row.patient_id].append({**row._mapping, "previous": None})
        else:  # of the sign that has just been taken
            signs[row.patient_id][-1]["previous"] = row.value
    return signs


def _last_two(patient_ids: Sequence[int], now: datetime) -> Select[*tuple[Any, ...]]:
    place = func.row_number().over(
        partition_by=(Observation.patient_id, Observation.code),
        order_by=(Observation.effective_at.desc(), Observation.id.desc()),
    )
    ranked = (
        select(
            Observation.patient_id,
            Observation.code,
            Observation.value,
            Observation.unit,
            Observation.effective_at,
            place.label("place"),
        )
        .where(
            Observation.patient_id.in_(patient_ids),
            Observation.status == "final",
            Observation.effective_at > now - LATEST_WITHIN,
        )
        .subquery()
    )
    return (
        select(ranked)
        .where(ranked.c.place <= 2)
        .order_by(ranked.c.patient_id, ranked.c.code, ranked.c.place)
    )


def _shown(row: Row[*tuple[Any, ...]], latest: list[Shown]) -> Shown:
    handoff = row.handoff_id and {
        "id": row.handoff_id,
        "given_at": row.given_at,
        "given_by": {"id": row.giver_id, "name": row.giver_name},
    }
    return {
        **row._mapping,
        "unit": row.unit_id and {"id": row.unit_id, "name": row.unit_name},
        "owner": row.owner_id and {"id": row.owner_id, "name": row.owner_name},
        "pending_handoff": handoff,
        "latest": latest,
    }
