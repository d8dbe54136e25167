"""Tables of what is written into a record: observations, handoffs, notes.

Nothing is deleted, and what somebody has written stays as it was: an error is marked, a note is
amended by one more version (45 CFR 164.312(c)(1)).
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import User
from ..database import Base, UtcDateTime, only_rows

PENDING = "status = 'pending'"


class Observation(Base):
    """One vital sign, as it was measured; its columns change once, when it is found wrong."""

    __tablename__ = "observations"
    __table_args__ = (
        CheckConstraint("status IN ('final', 'entered-in-error')", name="status"),
        CheckConstraint("(status = 'final') = (marked_at IS NULL)", name="marked"),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_observations_effective_at", "effective_at"),
        Index("ix_observations_patient_id_effective_at", "patient_id", "effective_at", "id"),
        Index(
            "ix_observations_patient_id_code_effective_at",
            "patient_id",
            "code",
            "effective_at",
            "id",
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    code: Mapped[str] = mapped_column(String(10))
    """LOINC."""
    value: Mapped[float] = mapped_column(Float)
    unit: Mapped[str] = mapped_column(String(20))
    """UCUM; stored, so that what was measured outlives a change of the table of codes."""
    effective_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it was measured."""
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(String(16), default="final")
    marked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody found it wrong; who and why stand beside it."""
    marked_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    marked_because: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)

    recorded_by: Mapped[User] = relationship(foreign_keys=[recorded_by_id], lazy="raise")
    marked_by: Mapped[User | None] = relationship(foreign_keys=[marked_by_id], lazy="raise")


class Handoff(Base):
    """A nurse hands a patient over (SBAR); another accepts, or the giver takes it back.

    Superseded: she was gone, and another has taken the patient.
    """

    __tablename__ = "handoffs"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'accepted', 'withdrawn', 'superseded')", name="status"
        ),
        CheckConstraint("(status = 'pending') = (closed_at IS NULL)", name="closed"),
        CheckConstraint(
            "status <> 'accepted' OR closed_by_id <> given_by_id", name="accepted_by_another"
        ),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_handoffs_patient_id_given_at", "patient_id", "given_at", "id"),
        Index("ix_handoffs_given_at", "given_at", "id"),
        Index("uq_handoffs_patient_id", "patient_id", unique=True, **only_rows(PENDING)),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    situation: Mapped[str] = mapped_column(Text)
    background: Mapped[str] = mapped_column(Text)
    assessment: Mapped[str] = mapped_column(Text)
    recommendation: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10), default="pending")
    given_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """Who accepted it, took it back, or took the patient without it."""
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    given_by: Mapped[User] = relationship(foreign_keys=[given_by_id], lazy="raise")
    closed_by: Mapped[User | None] = relationship(foreign_keys=[closed_by_id], lazy="raise")


class PatientOwner(Base):
    """The one nurse who answers for a patient: one row each, which an acceptance updates."""

    __tablename__ = "patient_owners"

    patient_id: Mapped[int] = mapped_column(
        ForeignKey("patients.id"), primary_key=True, autoincrement=False
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="raise")


class Note(Base):
    """A clinical note: what all its versions share, and how many they are."""

    __tablename__ = "notes"
    __table_args__ = (
        CheckConstraint(
            "category IN ('progress', 'nursing', 'admission', 'discharge', 'consultation')",
            name="category",
        ),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_notes_patient_id_created_at", "patient_id", "created_at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    category: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)
    """The newest one."""


class NoteVersion(Base):
    """What somebody signed; never changed."""

    __tablename__ = "note_versions"

    note_id: Mapped[int] = mapped_column(
        ForeignKey("notes.id"), primary_key=True, autoincrement=False
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    because: Mapped[str | None] = mapped_column(String(200))
    """Why it was amended; None for the first."""
    signed_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    signed_by: Mapped[User] = relationship(lazy="raise")
