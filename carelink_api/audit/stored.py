"""Rows of the trail as they are read for hashing, and blocks as they are stored."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Table, select
from sqlalchemy.orm import Session as Sql

from .canonical import digest
from .chain import Block
from .models import AuditBlock, AuditedPatient, AuditEvent

EVENTS = cast(Table, AuditEvent.__table__)
BLOCKS = cast(Table, AuditBlock.__table__)
_DENSE = 2
_FIELDS = Block.__dataclass_fields__

EventRow = Mapping[str, Any]


def events_of(sql: Sql, ids: Sequence[int]) -> dict[int, EventRow]:
    """Return those of the events that are there."""
    wanted = set(ids)
    rows = sql.execute(select(EVENTS).where(among(ids, EVENTS.c.id)))
    return {row.id: row._asdict() for row in rows if row.id in wanted}


def patients_of(sql: Sql, ids: Sequence[int]) -> dict[int, list[int]]:
    """Return whose data each of the events was about, where it was about somebody's."""
    about = select(AuditedPatient.event_id, AuditedPatient.patient_id)
    found: dict[int, list[int]] = defaultdict(list)
    for event_id, patient_id in sql.execute(about.where(among(ids, AuditedPatient.event_id))):
        found[event_id].append(patient_id)
    return found


def among(ids: Sequence[int], column: Any) -> ColumnElement[bool]:
    """Return a condition that finds at least these: a range where most of it is wanted."""
    least, most = min(ids), max(ids)
    dense = most - least < _DENSE * len(ids)
    condition: ColumnElement[bool] = column.between(least, most) if dense else column.in_(ids)
    return condition


def digests_of(sql: Sql, rows: Sequence[EventRow]) -> list[bytes | None]:
    """Return the hash of each event, in the order given."""
    patients = patients_of(sql, [row["id"] for row in rows]) if rows else {}
    return [digest(row, patients.get(row["id"], ())) for row in rows]


def block_in(row: Row[*tuple[Any, ...]]) -> Block:
    """Return a block of `select(BLOCKS)`, without its head and seal."""
    stored = row._mapping
    return Block(**{name: stored[name] for name in _FIELDS})
