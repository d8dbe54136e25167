"""How far this machine's clock and the database's are apart."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session as Sql

from . import clock

TOLERATED_SKEW = timedelta(seconds=5)
"""What is judged by the time for everybody waits while two clocks are further apart."""
ASK = text("SELECT clock_timestamp()")


@dataclass(frozen=True)
class ClockReading:
    """A server's clock, and ours before and after it was asked."""

    before: datetime
    told: datetime
    after: datetime

    @property
    def skew(self) -> timedelta:
        """How far it is off at the least: the answer took time, which is nobody's fault."""
        return max(self.ahead, self.told - self.after)

    @property
    def ahead(self) -> timedelta:
        """How far ours is ahead at the least; never negative."""
        return max(self.before - self.told, timedelta(0))

    @property
    def is_tolerated(self) -> bool:
        return self.skew <= TOLERATED_SKEW


def database_clock(sql: Sql) -> ClockReading | None:
    """Ask the database; None for SQLite, which has no clock of its own. Raises SQLAlchemyError."""
    if sql.get_bind().dialect.name == "sqlite":
        return None
    before = clock.now()
    told = sql.execute(ASK).scalar_one()
    return ClockReading(before, told, clock.now())
