"""Tables of emergency access. Nothing is deleted, and no review replaces another."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ...accounts.models import Unit, User
from ...database import Base, UtcDateTime, only_rows
from .rules import OUTCOMES, REASON_CODES, GrantEnd

_OUTCOMES = ", ".join(f"'{outcome}'" for outcome in OUTCOMES)
_ENDS = ", ".join(f"'{end}'" for end in GrantEnd)
_REASONS = ", ".join(f"'{code}'" for code in REASON_CODES)


class BreakGlassGrant(Base):
    """Somebody opened one record in an emergency, in one session and for a time.

    Why stands here and not in the audit event, which names it by id: what people write can be
    erased while the trail goes on.
    """

    __tablename__ = "break_glass_grants"
    __table_args__ = (
        CheckConstraint("expires_at > opened_at", name="order"),
        CheckConstraint(f"reason_code IN ({_REASONS})", name="reason_code"),
        CheckConstraint(f"outcome IN ({_OUTCOMES})", name="outcome"),
        CheckConstraint(f"end_reason IN ({_ENDS})", name="end_reason"),
        Index("ix_break_glass_grants_not_ended", "expires_at", **only_rows("ended_at IS NULL")),
        Index("ix_break_glass_grants_sid_patient_id", "sid", "patient_id"),
        Index("ix_break_glass_grants_user_id_opened_at", "user_id", "opened_at"),
        Index("ix_break_glass_grants_patient_id", "patient_id"),
        Index("ix_break_glass_grants_outcome_due_at", "outcome", "due_at"),
        Index("ix_break_glass_grants_opened_at", "opened_at"),
        Index("ix_break_glass_grants_unit_id", "unit_id", "opened_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    """Where the patient was then."""
    sid: Mapped[str] = mapped_column(String(22))
    """The session it ends with. No foreign key: it outlives the session's row."""
    reason_code: Mapped[str] = mapped_column(String(20))
    reason_text: Mapped[str] = mapped_column(String(500))
    in_handoff: Mapped[bool]
    """Broken after the end of a shift, in its handoff time."""
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it ended; where nobody gave it back, the housekeeper writes it, a moment later."""
    end_reason: Mapped[str | None] = mapped_column(String(15))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """By when somebody should have looked at it."""
    outcome: Mapped[str | None] = mapped_column(String(15))
    """Of the latest review."""
    concerns: Mapped[str | None] = mapped_column(String(30))
    """Whose record it was, where that alone asks for a look: `Concern`s with commas between."""

    user: Mapped[User] = relationship(lazy="raise")
    unit: Mapped[Unit | None] = relationship(lazy="raise")


class BreakGlassReview(Base):
    """What a reviewer found. Another follows only where one was unclear."""

    __tablename__ = "break_glass_reviews"
    __table_args__ = (
        CheckConstraint(f"outcome IN ({_OUTCOMES})", name="outcome"),
        Index("ix_break_glass_reviews_grant_id", "grant_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[int] = mapped_column(ForeignKey("break_glass_grants.id"))
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    outcome: Mapped[str] = mapped_column(String(15))
    comment: Mapped[str] = mapped_column(String(1000))
    reviewed_at: Mapped[datetime] = mapped_column(UtcDateTime)
