"""Erasing what may be erased of events: a commitment takes its place, and the chain stays whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select, text, update
from sqlalchemy.orm import Session as Sql

from .canonical import ERASABLE_DETAIL, commitment
from .models import OF_ERASURES
from .people import names_beside
from .record import acting
from .stored import EVENTS

_BATCH = 1000
_WALKED = 100_000
_ERASE = {
    dialect: update(EVENTS)
    .where(EVENTS.c.id == bindparam("which"))
    .values(detail=without, commitment=bindparam("stands"), address=None, salt=None)
    for dialect, without in {
        "sqlite": text(f"json_remove(detail, '$.{ERASABLE_DETAIL}')"),
        "postgresql": text(f"(detail\\:\\:jsonb - '{ERASABLE_DETAIL}')\\:\\:json"),
    }.items()
}
"""`detail` is changed by the database, so that nothing else of it is."""


_OWNS = text(
    "SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class"
    " WHERE oid = to_regclass('audit_events')"
)


def owns_the_trail(sql: Sql) -> bool | None:
    """Say whether this account owns the trail's tables; None on SQLite, which has no accounts.

    Only the owner may erase, and switch off what guards the tables.
    """
    return bool(sql.scalar(_OWNS)) if sql.get_bind().dialect.name == "postgresql" else None


def erasures_since(sql: Sql, since: datetime) -> list[tuple[datetime, int]]:
    """Return when and of whom erasures were told, the newest first."""
    begun = EVENTS.c.detail["stage"].as_string() == "begun"
    told = select(EVENTS.c.recorded_at, EVENTS.c.user_id).where(text(OF_ERASURES), begun)
    told = told.where(EVENTS.c.recorded_at > since).order_by(EVENTS.c.recorded_at.desc())
    return [(at, user_id) for at, user_id in sql.execute(told)]


def erase_events(sql: Sql, user_id: int, *, after: int = 0) -> tuple[int, int | None]:
    """Erase addresses and reasons from the next events about, or by, a user.

    Returns of how many, and the id after which to go on, or None. No commit. The triggers of the
    table allow this one change of an event, once.
    """
    whose = or_(EVENTS.c.user_id == user_id, EVENTS.c.actor == acting(user_id))
    query = select(EVENTS).where(whose, EVENTS.c.commitment.is_(None), EVENTS.c.id > after)
    rows = _rows(sql, query.order_by(EVENTS.c.id).limit(_BATCH))
    return _erase(sql, rows), rows[-1]["id"] if len(rows) == _BATCH else None


def erase_beside(sql: Sql, user_id: int, *, after: int = 0) -> tuple[int, int | None]:
    """Do the same to the next events that are about others and name the user beside them.

    Their address is whoever acted's; it goes too, since one commitment stands for both. No index
    finds them, so that the whole trail is walked through, in short statements.
    """
    until = after + _WALKED
    query = select(EVENTS).where(EVENTS.c.id.between(after + 1, until), names_beside(user_id))
    erased = _erase(sql, _rows(sql, query.where(EVENTS.c.commitment.is_(None))))
    newest = sql.scalar(select(func.max(EVENTS.c.id))) or 0
    return erased, until if until < newest else None


def _rows(sql: Sql, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [row._asdict() for row in sql.execute(query)]


def _erase(sql: Sql, rows: Sequence[Mapping[str, Any]]) -> int:
    erased = [
        {"which": row["id"], "stands": commitment(row)}
        for row in rows
        if row["address"] is not None or ERASABLE_DETAIL in (row["detail"] or {})
    ]
    if erased:
        sql.connection().execute(_ERASE[sql.get_bind().dialect.name], erased)
    return len(erased)
