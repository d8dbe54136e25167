"""Whom an event names, in its columns and beside them: for erasing, and for who checks that."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, or_

from .events import Event
from .stored import EVENTS

_BESIDE = ("selection", "before")
"""Members of `detail` that name one more person: whose sessions were to be ended, and whose the
shift was. What was typed as a reason may well be about them."""
_NAMING_ANOTHER = (Event.REVOCATION_BEGUN, Event.REVOCATION_FINISHED, Event.SHIFT_REASSIGNED)


def people_of(row: Mapping[str, Any]) -> frozenset[int]:
    """Return the users whom an event is about, by whom it was caused, and whom its detail names."""
    kind, _, number = (row["actor"] or "").partition(":")
    found = {row["user_id"], int(number) if kind == "user" and number.isdecimal() else None}
    detail = row["detail"] or {}
    for name in _BESIDE:
        if isinstance(member := detail.get(name), Mapping):
            found.add(member.get("user_id"))
    return frozenset(user_id for user_id in found if user_id is not None)


def names_beside(user_id: int) -> ColumnElement[bool]:
    """Express that the detail of an event names the user, whatever its columns say."""
    named = (EVENTS.c.detail[(name, "user_id")].as_integer() == user_id for name in _BESIDE)
    return EVENTS.c.event.in_(_NAMING_ANOTHER) & or_(*named)
