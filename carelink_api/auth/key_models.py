"""The table of keys. See `docs/decisions/22-keys-in-sql.md`."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, UtcDateTime
from .key_rules import KeyState, state_of


class SigningKey(Base):
    """One key of the ring. Once there is a row, settings name no key any more."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(5))
    source: Mapped[str] = mapped_column(String(8))
    """Where it came from: `settings`, `made` here, or `imported`."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The whole key, sealed; None once it is gone. Nothing of it stands open, so that who can only
    write rows cannot add a key of their own."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    promoted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it signed first; of one from the settings, when it was taken over."""
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it stopped signing; None while it signs, or never has."""
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The row stays, so that a key that is gone cannot come back under its name."""

    @property
    def state(self) -> KeyState:
        return state_of(self.promoted_at, self.stopped_at, self.retired_at)
