"""May this machine's clock end anything? Not while it and the database's are far apart.

Which of the two is wrong nobody here can know; so what only time would end waits for both
(`docs/decisions/23-two-clocks.md`).
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..database_clock import ClockReading, database_clock

log = structlog.get_logger(__name__)

_SAID_EVERY_SECONDS = 60.0


class ClockWatch:
    """Compares the clocks with each round, and says so while they are apart."""

    def __init__(self) -> None:
        self._last: ClockReading | None = None
        self._said_at: float | None = None

    @property
    def off(self) -> timedelta | None:
        """How far the clocks were apart in the last look; None where that is tolerated."""
        return None if self._last is None or self._last.is_tolerated else self._last.skew

    def look(self, sql: Sql) -> None:
        """Compare them. Raises SQLAlchemyError."""
        self._last = database_clock(sql)
        if self.off is None:
            self._said_at = None
            return
        now = clock.monotonic()
        if self._said_at is None or now - self._said_at >= _SAID_EVERY_SECONDS:
            log.error("clock_off", seconds=round(self.off.total_seconds(), 1))
            self._said_at = now

    def agreed(self, now: datetime) -> datetime:
        """Return what it is by the clock that all housekeepers share: the database's, where ours
        is off.
        """
        if self._last is None or self._last.is_tolerated:
            return now
        return now + (self._last.told - self._last.before)

    def earlier(self, now: datetime) -> datetime:
        """Return what it is by that of the two clocks which is behind."""
        if self._last is None or self._last.is_tolerated:
            return now
        return now - self._last.ahead
