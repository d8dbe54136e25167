"""The table of shifts."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Unit, User
from ..database import Base, UtcDateTime


class Shift(Base):
    """Somebody works in a unit from a time to a time. Cancelled, never deleted."""

    __tablename__ = "shifts"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="order"),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_shifts_user_id_ends_at", "user_id", "ends_at"),
        Index("ix_shifts_unit_id_ends_at", "unit_id", "ends_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Without the handoff time, which follows it."""
    in_charge: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The charge nurse of the unit during this shift."""
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    """Counts the changes: what an `ETag` shows."""

    user: Mapped[User] = relationship(lazy="raise")
    unit: Mapped[Unit] = relationship(lazy="raise")
