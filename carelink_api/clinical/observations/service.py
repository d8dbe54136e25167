"""Use cases of observations."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...errors import Conflict, ValidationFailed
from ...idempotency.attempts import Attempt
from ...sessions.claims import AccessClaims
from ...versions import change
from ..access import Action
from ..accessing import Access, accessing
from ..record_models import Observation
from .codes import VITAL_SIGNS
from .listing import SHOWN, Shown, shown

CLOCKS_DIFFER = timedelta(minutes=2)
"""How far ahead a bedside device's clock may be."""


class AlreadyInError(Conflict):
    code, title = "already_in_error", "Already marked"
    detail = "The observation has been marked as entered in error already."


def read_observation(
    sql: Sql, viewer: AccessClaims, patient_id: int, observation_id: int, *, now: datetime
) -> Shown:
    """Return one observation. Raises as `Access.chart`, NotFound, Unavailable."""
    with accessing(sql, viewer, Event.OBSERVATION_READ, now=now) as access:
        access.chart(patient_id, Action.READ)
        access.about(observation_id=observation_id)
        return _one(access, patient_id, observation_id)


def record_observations(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    items: Sequence[dict[str, Any]],
    *,
    now: datetime,
    attempt: Attempt | None = None,
) -> dict[str, list[Shown]]:
    """Record what was measured, all or nothing, and return it in the order it was sent.

    Raises as `Access.chart`, ValidationFailed for a time that lies ahead, KeyReused, Unavailable.
    """

    def create() -> dict[str, list[Shown]]:
        _refuse_what_lies_ahead(items, now)
        rows = [_values(patient_id, item, viewer.user_id, now) for item in items]
        ids = sql.scalars(insert(Observation).values(rows).returning(Observation.id)).all()
        access.about(observation_ids=sorted(ids))
        # One statement numbers its rows in their order.
        asked = SHOWN.where(Observation.id.in_(ids)).order_by(Observation.id)
        return {"items": [shown(row) for row in sql.execute(asked)]}

    with accessing(sql, viewer, Event.OBSERVATIONS_RECORDED, now=now) as access:
        access.chart(patient_id, Action.WRITE)
        return access.once(attempt, create)


def mark_in_error(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    observation_id: int,
    *,
    because: str,
    version: int,
    now: datetime,
) -> Shown:
    """Say that an observation is wrong; what was recorded stays as it was.

    Raises as `Access.chart`, NotFound, PreconditionFailed, AlreadyInError, Unavailable.
    """
    with accessing(sql, viewer, Event.OBSERVATION_MARKED, now=now) as access:
        access.chart(patient_id, Action.WRITE)
        access.about(observation_id=observation_id)
        row = access.of_patient(Observation, observation_id, patient_id)
        change(row, version)
        if row.status == "entered-in-error":
            raise AlreadyInError()
        row.status = "entered-in-error"
        row.marked_at, row.marked_by_id, row.marked_because = now, viewer.user_id, because
        sql.flush()
        return _one(access, patient_id, observation_id)


def _one(access: Access, patient_id: int, observation_id: int) -> Shown:
    asked = SHOWN.where(Observation.id == observation_id, Observation.patient_id == patient_id)
    return shown(access.one(asked))


def _refuse_what_lies_ahead(items: Sequence[dict[str, Any]], now: datetime) -> None:
    ahead = {
        number: {"effective_at": ["Lies ahead."]}
        for number, item in enumerate(items)
        if item.get("effective_at", now) > now + CLOCKS_DIFFER
    }
    if ahead:
        raise ValidationFailed({"items": ahead})


def _values(patient_id: int, item: dict[str, Any], user_id: int, now: datetime) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "code": item["code"],
        "value": item["value"],
        "unit": VITAL_SIGNS[item["code"]].unit,
        "effective_at": item.get("effective_at", now),
        "recorded_at": now,
        "recorded_by_id": user_id,
    }
