"""Erasing what may be erased of events: a commitment takes its place, and the chain stays whole."""

from sqlalchemy import or_, select, text, update
from sqlalchemy.orm import Session as Sql

from .canonical import ERASABLE_DETAIL, commitment
from .models import AuditEvent
from .record import acting
from .stored import EVENTS

_BATCH = 1000
_WITHOUT_REASON = {
    "sqlite": text(f"json_remove(detail, '$.{ERASABLE_DETAIL}')"),
    "postgresql": text(f"(detail\\:\\:jsonb - '{ERASABLE_DETAIL}')\\:\\:json"),
}


def erase_events(sql: Sql, user_id: int) -> int:
    """Erase addresses and reasons from the events about, or by, a user; return of how many.

    No commit. The rows' triggers allow this one change of an event, once.
    """
    erased, after = 0, 0
    without_reason = _WITHOUT_REASON[sql.get_bind().dialect.name]
    whose = or_(EVENTS.c.user_id == user_id, EVENTS.c.actor == acting(user_id))
    while True:
        query = select(EVENTS).where(whose, EVENTS.c.commitment.is_(None), EVENTS.c.id > after)
        rows = [row._asdict() for row in sql.execute(query.order_by(EVENTS.c.id).limit(_BATCH))]
        for row in rows:
            sql.execute(
                update(AuditEvent)
                .where(AuditEvent.id == row["id"])
                .values(detail=without_reason, commitment=commitment(row), address=None, salt=None)
                .execution_options(synchronize_session=False)
            )
        erased += len(rows)
        if len(rows) < _BATCH:
            return erased
        after = rows[-1]["id"]
