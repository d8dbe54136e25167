"""The table of chores: when each was last done, and whose turn it is."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, UtcDateTime


class ChoreRow(Base):
    """One chore. All housekeepers together have one row for it; it is never removed.

    What it says of turns saves double work and nothing else: what a chore does is safe to do twice.
    """

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody last took it up, or went on with it."""
    held_by: Mapped[str | None] = mapped_column(String(40))
    """Who is at it; None where nobody is."""
    succeeded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was last done to the end: the heartbeat."""
    seconds: Mapped[float | None]
    """How long its last piece took."""
    mark: Mapped[int | None] = mapped_column(BigInteger)
    """How far it has got: `publish` the newest change number that Redis is known to hold, `ship`
    the newest block that the other system has taken.
    """
