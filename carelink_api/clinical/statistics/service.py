"""Use case of researchers: vital signs of a whole hospital, day by day."""

from datetime import UTC, date, datetime, time, timedelta
from math import sqrt
from typing import Any

from sqlalchemy import BigInteger, Row, Select, cast, extract, func, select
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...errors import Forbidden, ValidationFailed
from ...sessions.claims import AccessClaims
from ..accessing import accessing
from ..observations.codes import VITAL_SIGNS
from ..record_models import Observation
from .rules import READERS, SMALLEST_GROUP, days_told

_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400


def vital_signs(
    sql: Sql,
    viewer: AccessClaims,
    *,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
) -> dict[str, Any]:
    """Return mean and spread of each sign on each day on which enough patients had it measured.

    Raises Forbidden, ValidationFailed, Unavailable.
    """
    with accessing(sql, viewer, Event.STATISTICS_READ, now=now) as access:
        if viewer.user_type not in READERS:
            access.about(why="user_type")
            raise Forbidden()
        try:
            first, last = days_told(since, until, now.astimezone(UTC).date())
        except ValueError as fault:
            raise ValidationFailed({"since": [str(fault)]}) from fault
        access.about(since=first.isoformat(), until=last.isoformat())
        items = [_shown(row) for row in sql.execute(_of_days(first, last))]
        return {"since": first, "until": last, "smallest_group": SMALLEST_GROUP, "items": items}


def _of_days(first: date, last: date) -> Select[*tuple[Any, ...]]:
    """Each patient counts once a day and sign, by the mean: who is measured most weighs no more."""
    day = cast(func.floor(extract("epoch", Observation.effective_at) / _DAY_SECONDS), BigInteger)
    of_patient = (
        select(
            day.label("day"),
            Observation.code,
            func.avg(Observation.value).label("mean"),
            func.count().label("measured"),
        )
        .where(
            Observation.status == "final",
            Observation.effective_at >= _midnight(first),
            Observation.effective_at < _midnight(last) + _DAY,
        )
        .group_by(day, Observation.code, Observation.patient_id)
        .subquery()
    )
    patients = func.count()
    return (
        select(
            of_patient.c.day,
            of_patient.c.code,
            patients.label("patients"),
            func.sum(of_patient.c.measured).label("measured"),
            func.avg(of_patient.c.mean).label("mean"),
            func.avg(of_patient.c.mean * of_patient.c.mean).label("mean_square"),
        )
        .group_by(of_patient.c.day, of_patient.c.code)
        .having(patients >= SMALLEST_GROUP)
        .order_by(of_patient.c.day, of_patient.c.code)
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _shown(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    sign, mean = VITAL_SIGNS[row.code], float(row.mean)
    spread = sqrt(max(0.0, float(row.mean_square) - mean * mean))
    return {
        "day": date(1970, 1, 1) + row.day * _DAY,
        "code": sign.code,
        "name": sign.name,
        "unit": sign.unit,
        "patients": row.patients,
        "measured": int(row.measured),
        "mean": round(mean, 1),
        "standard_deviation": round(spread, 1),
    }
