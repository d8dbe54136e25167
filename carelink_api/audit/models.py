"""The table of audit events."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, UtcDateTime


class AuditEvent(Base):
    """One immutable event. It names people and sessions by id; it never holds a token."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_recorded_at", "recorded_at"),
        Index("ix_audit_events_user_id", "user_id"),
        Index("ix_audit_events_sid", "sid"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(40))
    actor: Mapped[str | None] = mapped_column(String(40))
    """Who acts: `user:<id>`, `cli`, `housekeeper`; None for a stranger."""
    user_id: Mapped[int | None]
    """Whose account or session it is about. No foreign key: the trail outlives the account."""
    sid: Mapped[str | None] = mapped_column(String(22))
    jti: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(45))
    route: Mapped[str | None] = mapped_column(String(100))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class AuditedPatient(Base):
    """A patient whose data an event showed or changed: how a patient's access log is found."""

    __tablename__ = "audited_patients"

    patient_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """No foreign key: the trail outlives the record."""
    event_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
