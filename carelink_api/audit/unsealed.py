"""How long the oldest event has waited for its seal, by the blocks alone.

The list of open ids (`AuditGap`) is only where the housekeeper looks: whoever can write rows could
empty it, and nothing would be sealed any more.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from . import chain
from .models import AuditBlock
from .stored import EVENTS

_LEAST_LATE = timedelta(minutes=2)
_TIMES_LATE = 6
_BLOCKS_READ = 100
"""A block may hold late events only, whose ids are low; so many in a row do not."""


def late_after(every: timedelta) -> timedelta:
    """Return how old an event may be that is not sealed, where sealing is done `every` so often."""
    return max(_TIMES_LATE * every, _LEAST_LATE)


def newest_sealed_id(sql: Sql, blocks: int = _BLOCKS_READ) -> int:
    """Return the highest id in the newest blocks; 0 where there are none."""
    newest = select(AuditBlock.ids).order_by(AuditBlock.number.desc()).limit(blocks)
    ranges = (each for ids in sql.scalars(newest) for each in chain.read_ranges(ids))
    return max((last for _, last in ranges), default=0)


def oldest_unsealed(sql: Sql) -> datetime | None:
    """Return the time of the first event after all that is sealed; None where all of it is."""
    after = EVENTS.c.id > newest_sealed_id(sql)
    first = select(EVENTS.c.recorded_at).where(after).order_by(EVENTS.c.id).limit(1)
    return sql.execute(first).scalar()
