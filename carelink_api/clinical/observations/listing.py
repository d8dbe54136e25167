"""Reading observations: lists, the latest of each code, trends."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from ...accounts.models import User
from ...audit.events import Event
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import accessing
from ..paging import Page, read_page
from ..people import named, person
from ..record_models import Observation
from .codes import VITAL_SIGNS

MOST_POINTS = 2000
Shown = dict[str, Any]
_recorder, _marker = aliased(User), aliased(User)
# The columns that are shown, and no more: a user's row holds a password hash.
SHOWN = (
    select(
        *(
            column
            for column in Observation.__table__.columns
            if column.name not in ("recorded_by_id", "marked_by_id")
        ),
        *named(_recorder, "recorder"),
        *named(_marker, "marker"),
    )
    .join(_recorder, Observation.recorded_by_id == _recorder.id)
    .outerjoin(_marker, Observation.marked_by_id == _marker.id)
)
_LATEST_FIRST = (Observation.effective_at.desc(), Observation.id.desc())


def list_observations(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    now: datetime,
    page: int,
    page_size: int,
    **filters: Any,
) -> Page[Shown]:
    """Return a page of a patient's observations. Raises as `Access.chart`, and Unavailable."""
    with accessing(sql, viewer, Event.OBSERVATIONS_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        conditions = _conditions(patient_id, **filters)
        asked = SHOWN.where(*conditions).order_by(*_LATEST_FIRST)
        found = read_page(sql, asked, page=page, page_size=page_size)
        access.about(asked=sorted(filters), observation_ids=[row.id for row in found.items])
        return found.map(shown)


def latest_observations(
    sql: Sql, viewer: AccessClaims, patient_id: int, *, now: datetime
) -> dict[str, list[Shown]]:
    """Return a patient's latest observation of each code; those found wrong do not count.

    Raises as `Access.chart`, and Unavailable.
    """
    with accessing(sql, viewer, Event.OBSERVATIONS_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        found = [shown(row) for row in sql.execute(_latest(patient_id))]
        access.about(asked=["latest"], observation_ids=[each["id"] for each in found])
        return {"items": found}


def trend(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    code: str,
    hours: int,
    now: datetime,
    until: datetime | None = None,
) -> Shown:
    """Return how one vital sign went in some hours, up to now or a time.

    Raises as `Access.chart`, and Unavailable.
    """
    until = until or now
    since = until - timedelta(hours=hours)
    with accessing(sql, viewer, Event.OBSERVATIONS_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        within = _conditions(patient_id, code=code, status="final", since=since, until=until)
        value = Observation.value
        summary = sql.execute(
            select(func.count(), func.min(value), func.max(value), func.avg(value)).where(*within)
        ).one()
        points = sql.execute(_points(within)).all()
        access.about(asked=["trend"], code=code, shown=len(points))
    count, lowest, highest, mean = summary
    return {
        "code": code,
        "name": VITAL_SIGNS[code].name,
        "unit": VITAL_SIGNS[code].unit,
        "since": since,
        "until": until,
        "count": count,
        "minimum": lowest,
        "maximum": highest,
        "mean": None if mean is None else round(mean, 2),
        "points": [dict(row._mapping) for row in reversed(points)],
    }


def shown(row: Row[*tuple[Any, ...]]) -> Shown:
    """Return what is shown of a row of `SHOWN`."""
    recorder, marker = person(row, "recorder"), person(row, "marker")
    name = VITAL_SIGNS[row.code].name
    return {**row._mapping, "name": name, "recorded_by": recorder, "marked_by": marker}


def _conditions(
    patient_id: int,
    *,
    code: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ColumnElement[bool]]:
    asked = {Observation.code: code, Observation.status: status}
    conditions = [Observation.patient_id == patient_id]
    conditions += [column == value for column, value in asked.items() if value is not None]
    if since is not None:
        conditions.append(Observation.effective_at >= since)
    if until is not None:
        conditions.append(Observation.effective_at < until)
    return conditions


def _latest(patient_id: int) -> Select[*tuple[Any, ...]]:
    place = func.row_number().over(partition_by=Observation.code, order_by=_LATEST_FIRST)
    ranked = (
        select(Observation.id, place.label("place"))
        .where(*_conditions(patient_id, status="final"))
        .subquery()
    )
    newest = select(ranked.c.id).where(ranked.c.place == 1)
    return SHOWN.where(Observation.id.in_(newest)).order_by(Observation.code)


def _points(within: list[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    columns = select(Observation.id, Observation.effective_at, Observation.value)
    return columns.where(*within).order_by(*_LATEST_FIRST).limit(MOST_POINTS)
