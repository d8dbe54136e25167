"""Reading the trail: by period, user, patient, event and outcome, in pages that hold no lock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session as Sql

from .canonical import moment
from .classes import Retention, class_of
from .models import AuditedPatient
from .record import acting
from .stored import EVENTS, patients_of

PAGE = 500
PATIENT = "patient"
_UNSORTABLE = ("detail", "salt", "commitment")
SORTABLE = [PATIENT, *(each.name for each in EVENTS.columns if each.name not in _UNSORTABLE)]


_FIRST_PATIENT = (
    select(func.min(AuditedPatient.patient_id))
    .where(AuditedPatient.event_id == EVENTS.c.id)
    .correlate(EVENTS)
    .scalar_subquery()
)
"""By whom an event about several patients is sorted."""


@dataclass(frozen=True)
class Filter:
    """Which events; what is None does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    user_id: int | None = None
    """Whom it is about, or who did it."""
    patient_id: int | None = None
    event: str | None = None
    """A name, or its first part with the colon: `login:`."""
    outcome: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.since is not None:
            found.append(EVENTS.c.recorded_at >= self.since)
        if self.until is not None:
            found.append(EVENTS.c.recorded_at < self.until)
        if self.user_id is not None:
            actor = EVENTS.c.actor == acting(self.user_id)
            found.append(or_(EVENTS.c.user_id == self.user_id, actor))
        if self.patient_id is not None:
            about = select(AuditedPatient.event_id)
            about = about.where(AuditedPatient.patient_id == self.patient_id)
            found.append(EVENTS.c.id.in_(about))
        if self.event is not None:
            name = EVENTS.c.event
            begins = self.event.endswith(":")
            matches = name.startswith(self.event, autoescape=True)
            found.append(matches if begins else name == self.event)
        if self.outcome is not None:
            found.append(EVENTS.c.outcome == self.outcome)
        return found

    def named(self) -> list[str]:
        """Return by what it filters, without the values."""
        return sorted(name for name, value in vars(self).items() if value is not None)


def count_events(sql: Sql, which: Filter) -> int:
    query = select(func.count()).select_from(EVENTS).where(*which.conditions())
    return sql.execute(query).scalar_one()


def list_events(
    sql: Sql, which: Filter, *, sort: str, descending: bool, limit: int
) -> list[dict[str, Any]]:
    """Return the first events in this order, each with whose data it was about."""
    query = ordered(which, sort=sort, descending=descending).limit(limit)
    return with_patients(sql, [row._asdict() for row in sql.execute(query)])


def ordered(which: Filter, *, sort: str, descending: bool) -> Select[*tuple[Any, ...]]:
    """Return what selects the events that match, by a field of `SORTABLE`."""
    column = _FIRST_PATIENT if sort == PATIENT else EVENTS.c[sort]
    by = column.desc() if descending else column.asc()
    order = (by.nulls_last(), EVENTS.c.id.desc() if descending else EVENTS.c.id)
    return select(EVENTS).where(*which.conditions()).order_by(*order)


def stream_events(sql: Sql, which: Filter, through: int) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of events up to an id, the oldest first; end each one's transaction before that.

    Who reads slowly keeps neither a transaction open nor more than a page in memory.
    """
    conditions, after = [*which.conditions(), EVENTS.c.id <= through], 0
    while True:
        query = select(EVENTS).where(*conditions, EVENTS.c.id > after).order_by(EVENTS.c.id)
        rows = [row._asdict() for row in sql.execute(query.limit(PAGE))]
        page = with_patients(sql, rows)
        sql.rollback()
        if not page:
            return
        yield page
        after = page[-1]["id"]


def as_json(event: dict[str, Any], kept: Retention | None = None) -> dict[str, Any]:
    """Return an event with every column, as JSON: what stands there can be verified again.

    And, by `kept`, until when it stands there at the least.
    """
    told = event | {"recorded_at": moment(event["recorded_at"]),
                    "retention_class": str(class_of(event["event"]))}  # fmt: skip
    if kept is not None:
        told["kept_until"] = moment(kept.until(event["event"], event["recorded_at"]))
    for name in ("salt", "commitment"):
        told[name] = bytes(told[name]).hex() if told[name] is not None else None
    return told


def with_patients(sql: Sql, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each event whose data it was about."""
    about = patients_of(sql, [row["id"] for row in rows]) if rows else {}
    return [row | {"patients": sorted(about.get(row["id"], []))} for row in rows]
