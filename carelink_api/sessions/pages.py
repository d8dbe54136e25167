"""What the pulse reads: ended sessions page by page, each page one short statement.

Sessions that end in one change share its number, the time and the reason; the database puts their
ids into one text, so that a page of thousands is a few rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, String, func, literal, select, tuple_
from sqlalchemy.engine import Connection

from ..database import UtcDateTime
from .models import Session
from .packed import FILLER

LARGEST = 5000
"""Sessions in a page: the interpreter is held for some milliseconds at a time, at most."""
SMALLEST = 250
Group = Row[int, datetime | None, str | None, int, str]
"""`change_number`, `refuse_from`, `end_reason`, `size` and `spelled`: see `packed.split`."""
Place = tuple[Any, ...]
_BY_NUMBER = (Session.change_number, Session.id)
_BY_TIME = (Session.refuse_from, *_BY_NUMBER)
_TYPES: dict[str, Any] = {
    "refuse_from": UtcDateTime(),
    "change_number": BigInteger(),
    "id": String(),
}


@dataclass(frozen=True)
class Page:
    """Some sessions, and where the next page goes on; None after the last one."""

    groups: Sequence[Group]
    next_after: Place | None


def changed_after(connection: Connection, place: Place, size: int) -> Page:
    """Return sessions that changed after that change number and, in it, `sid`: oldest first.

    Begin at `(number, "")`. What is committed while somebody reads has a higher number, and so
    comes later, also where it had been passed already.
    """
    return _page(connection, _BY_NUMBER, place, size)


def refused_after(connection: Connection, place: Place, size: int) -> Page:
    """Return sessions that are refused after that time, change number and `sid`: oldest first.

    Begin at `(time, 0, "")`. What is committed meanwhile may be missed: read `changed_after` the
    counter's value of before the first page.
    """
    return _page(connection, _BY_TIME, place, size)


def _page(
    connection: Connection, keys: Sequence[Any], place: Place, size: int
) -> Page:  # fmt: skip
    rows = (
        select(Session.id, Session.refuse_from, Session.end_reason, Session.change_number)
        .where(_beyond(keys, place))
        .order_by(*keys)
        .limit(size)
        .subquery()
    )
    order = [rows.c[key.name] for key in keys]
    placed = select(rows, func.row_number().over(order_by=order).label("place")).subquery().c
    alike = (placed.change_number, placed.refuse_from, placed.end_reason)
    found = connection.execute(
        select(
            *alike,
            func.count().label("size"),
            func.aggregate_strings(placed.id + FILLER, "").label("spelled"),
            func.max(placed.id).label("id"),
        )
        .group_by(*alike)
        .order_by(func.max(placed.place))
    ).all()
    if sum(row.size for row in found) < size:
        return Page(found, None)
    return Page(found, tuple(getattr(found[-1], key.name) for key in keys))


def _beyond(keys: Sequence[Any], place: Place) -> ColumnElement[bool]:
    known = (literal(at, _TYPES[key.name]) for key, at in zip(keys, place, strict=True))
    return tuple_(*keys) > tuple_(*known)
