"""Erasing what may be erased of events: a commitment takes its place, and the chain stays whole."""

from sqlalchemy import bindparam, or_, select, text, update
from sqlalchemy.orm import Session as Sql

from .canonical import ERASABLE_DETAIL, commitment
from .record import acting
from .stored import EVENTS

_BATCH = 1000
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


def erase_events(sql: Sql, user_id: int, *, after: int = 0) -> tuple[int, int | None]:
    """Erase addresses and reasons from the next events about, or by, a user.

    Returns of how many, and the id after which to go on, or None. No commit. The triggers of the
    table allow this one change of an event, once.
    """
    whose = or_(EVENTS.c.user_id == user_id, EVENTS.c.actor == acting(user_id))
    query = select(EVENTS).where(whose, EVENTS.c.commitment.is_(None), EVENTS.c.id > after)
    rows = [row._asdict() for row in sql.execute(query.order_by(EVENTS.c.id).limit(_BATCH))]
    erased = [
        {"which": row["id"], "stands": commitment(row)}
        for row in rows
        if row["address"] is not None or ERASABLE_DETAIL in (row["detail"] or {})
    ]
    if erased:
        sql.connection().execute(_ERASE[sql.get_bind().dialect.name], erased)
    return len(erased), rows[-1]["id"] if len(rows) == _BATCH else None
