"""Use case of operations: import a roster, whole or not at all."""

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import record_many
from ..database import writing
from ..extensions import settings
from ..shifts import roster
from ..shifts.roster import Draft
from .batches import batches
from .ending import publish
from .following import Cause, follow_roster

_BATCH = 500


def import_shifts(
    sql: Sql, drafts: Sequence[Draft], cause: Cause, *, done: Callable[[int], None]
) -> int:
    """Add the shifts that the roster does not have yet; return how many, in one transaction.

    `done` is told of each batch. What is there already is no fault: a file can be imported again.
    """
    if not drafts:
        return 0
    with writing(sql):
        user_ids = {draft.user_id for draft in drafts}
        roster.lock_users(sql, *user_ids)
        known = roster.known(sql, drafts)
        done(len(drafts) - len(new := [draft for draft in drafts if draft.key not in known]))
        for batch in batches(new, _BATCH):
            _record(sql, batch, roster.add_all(sql, batch), cause)
            done(len(batch))
        entries = follow_roster(sql, user_ids, settings(), cause)
    publish(entries)
    return len(new)


def _record(sql: Sql, batch: Sequence[Draft], shift_ids: Sequence[int], cause: Cause) -> None:
    about = [
        (draft.user_id, {"shift_id": shift_id} | draft.described())
        for draft, shift_id in zip(batch, shift_ids, strict=True)
    ]
    record_many(sql, Event.SHIFT_CREATED, about, now=cause.now, actor=cause.actor, why=cause.why)
