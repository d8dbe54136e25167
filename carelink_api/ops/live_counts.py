"""How many sessions go on, by user type and home unit: one statement for scrape and console.

Counting a million takes about a second. So a count that was dear is answered again for twenty times
as long as it took, and counting never takes more than a twentieth of one process's database time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..accounts.models import Unit, User
from ..sessions.models import Session, live_at

EXTENSION = "carelink.live_counts"
_CHEAP_SECONDS = 0.25
_STANDS_FOR = 20


@dataclass(frozen=True)
class LiveCount:
    """The sessions of one user type in one unit."""

    user_type: str
    unit_id: int | None
    unit: str | None
    sessions: int


class LiveCounts:
    """One per application; remembers the last count while it is good enough."""

    def __init__(self, *, cheap_seconds: float = _CHEAP_SECONDS) -> None:
        self._cheap_seconds = cheap_seconds
        self._known: Sequence[LiveCount] | None = None
        self._stands_until: datetime | None = None
        self._lock = Lock()

    def read(self, sql: Sql, now: datetime) -> Sequence[LiveCount]:
        """Return the counts. Raises SQLAlchemyError.

        While one request counts, the others are answered with what was known before.
        """
        if self._known is not None and self._stands_until and now < self._stands_until:
            return self._known
        if self._lock.acquire(blocking=self._known is None):
            try:
                begun = clock.monotonic()
                self._known = _count(sql, now)
                took = clock.monotonic() - begun
                stands = timedelta(seconds=took * _STANDS_FOR)
                self._stands_until = now + stands if took > self._cheap_seconds else None
            finally:
                self._lock.release()
        return self._known or ()


def _count(sql: Sql, now: datetime) -> Sequence[LiveCount]:
    counted = (
        select(User.user_type, User.unit_id, Unit.name, func.count())
        .select_from(Session)
        .join(User, Session.user_id == User.id)
        .outerjoin(Unit, User.unit_id == Unit.id)
        .where(*live_at(now))
        .group_by(User.user_type, User.unit_id, Unit.name)
    )
    return [LiveCount(*row) for row in sql.execute(counted)]
