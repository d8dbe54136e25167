"""Tables of the core. A session row is the truth about one login; see `docs/design.md`."""

from datetime import datetime
from typing import cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Table,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import User
from ..database import Base, UtcDateTime, only_rows


class Session(Base):
    """One login on one device until it ends; one token family."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("generation >= 1", name="generation"),
        Index("ix_sessions_user_id_ended_at", "user_id", "ended_at"),
        # Of live sessions only: who ends one has nothing to write into them.
        Index("ix_sessions_live_user_id_id", "user_id", "id", **only_rows("ended_at IS NULL")),
        Index("ix_sessions_live_expires_at", "expires_at", **only_rows("ended_at IS NULL")),
        Index("ix_sessions_ended_at", "ended_at", **only_rows("ended_at IS NOT NULL")),
        Index("ix_sessions_change_number", "change_number"),
        Index("ix_sessions_refuse_from_change_number", "refuse_from", "change_number"),
    )

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    """The `sid`: 128 random bits, URL-safe (ASVS 7.2.3)."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    profile: Mapped[str] = mapped_column(String(20))
    device_name: Mapped[str | None] = mapped_column(String(100))
    address: Mapped[str | None] = mapped_column(String(45))
    """From where it was started."""
    by_cookie: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Its refresh token is in a browser's cookie, and must stay out of bodies."""

    # When it ends. Only a shift change may move `expires_at`; rotation never does.
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    latest_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """The latest end it ever had: until then Redis keeps its entry."""
    shift_id: Mapped[int | None]
    shift_ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Shift end plus handoff; None for a session that no shift binds."""
    last_active_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # The current refresh token, from which it can be minted again: no token is stored.
    generation: Mapped[int] = mapped_column(default=1)
    refresh_jti: Mapped[str] = mapped_column(String(22))
    refresh_issued_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # What is forgiven (section 4).
    predecessor_retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When generation - 1 was retired; None where it must not be forgiven."""
    retired: Mapped[list[list[float]]] = mapped_column(JSON, default=list)
    """The youngest retirements, `[generation, epoch seconds]`, no older than the grace period."""
    used_generation: Mapped[int] = mapped_column(default=0)
    """The receipt: the highest generation whose access token was ever used."""
    late_reissues: Mapped[int] = mapped_column(default=0)
    """Generations in a row that were reissued outside the grace period."""
    late_generation: Mapped[int] = mapped_column(default=0)
    """The generation that was last reissued so."""

    # How it ended.
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(20))
    refuse_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From when every token of it is refused; may lie ahead (a shift cut short)."""
    change_number: Mapped[int | None] = mapped_column(BigInteger)
    """Taken from `ChangeCounter` whenever `refuse_from` changes: what the pulse reads by."""

    user: Mapped[User] = relationship(lazy="raise")


SESSIONS = cast(Table, Session.__table__)
"""The same as a plain table: for statements on many rows, of which no objects are made."""


def live_at(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions on a session that goes on: nobody has ended it, nor has time."""
    return Session.ended_at.is_(None), Session.expires_at > now


class ChangeCounter(Base):
    """One row. Its lock makes change numbers commit in the order in which they are taken."""

    __tablename__ = "change_counter"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger)
    refuse_logins_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Set when everyone is revoked: covers sessions whose rows a restored backup has lost, too."""
    key_change: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Counts the changes of the keys that sign and verify tokens."""
