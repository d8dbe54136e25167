"""Table of what has been created under which key."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, UtcDateTime


class IdempotencyKey(Base):
    """One request that has created something; kept for a day."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    route: Mapped[str] = mapped_column(String(100), primary_key=True)
    """With its parameters unfilled."""
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    """SHA-256 of path and body, in hexadecimal digits."""
    answer: Mapped[str | None] = mapped_column(Text)
    """What was answered, as JSON; None only inside the transaction that creates it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
