"""Tables that say who is tied to whom. Names follow FHIR where FHIR has one.

Nothing is deleted: a stay ends, a membership ends, an appointment is cancelled.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import Unit, User
from ..database import Base, UtcDateTime, only_rows

IN_BED = "bed IS NOT NULL AND discharged_at IS NULL"


class Patient(Base):
    """Somebody whose record this is, and the present or latest stay."""

    __tablename__ = "patients"
    __table_args__ = (
        CheckConstraint("discharged_at >= admitted_at", name="order"),
        CheckConstraint("bed IS NULL OR unit_id IS NOT NULL", name="bed"),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_patients_name_key_id", "name_key", "id"),
        Index("uq_patients_unit_id_bed", "unit_id", "bed", unique=True, **only_rows(IN_BED)),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mrn: Mapped[str] = mapped_column(String(20), unique=True)
    """The medical record number, in capitals."""
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), unique=True)
    """The patient's own account, where there is one."""
    staff_user_id: Mapped[int | None]
    """The account of whom of the staff this record is, and
    `vip`, whether it is of somebody of public interest: only for emergency accesses, which say so.
    No foreign key: nothing is looked up by it.
    """
    vip: Mapped[bool] = mapped_column(default=False, server_default=false())
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(400))
    """The name without case and accents: what is searched and sorted by."""
    birth_date: Mapped[date | None]
    """None where nobody knows it (yet)."""
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"), index=True)
    """Where the present stay is, or the latest was."""
    bed: Mapped[str | None] = mapped_column(String(10))
    admitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    discharged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    unit: Mapped[Unit | None] = relationship(lazy="raise")

    @property
    def is_admitted(self) -> bool:
        return self.admitted_at is not None and self.discharged_at is None


class CareTeamMember(Base):
    """A doctor or nurse looks after a patient, from a time to a time."""

    __tablename__ = "care_team_members"
    __table_args__ = (
        CheckConstraint("ends_at >= starts_at", name="order"),
        CheckConstraint("role IN ('attending', 'consulting', 'nurse')", name="role"),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_care_team_members_patient_id_user_id", "patient_id", "user_id"),
        Index("ix_care_team_members_user_id_ends_at", "user_id", "ends_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(String(10))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)

    user: Mapped[User] = relationship(lazy="raise")


class Appointment(Base):
    """A doctor sees a patient at a time."""

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="order"),
        CheckConstraint("status IN ('booked', 'fulfilled', 'noshow', 'cancelled')", name="status"),
        CheckConstraint("version >= 1", name="version"),
        Index("ix_appointments_doctor_id_starts_at", "doctor_id", "starts_at"),
        Index("ix_appointments_patient_id_starts_at", "patient_id", "starts_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    doctor_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(10), default="booked")
    description: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1, server_default="1")

    doctor: Mapped[User] = relationship(foreign_keys=[doctor_id], lazy="raise")
    patient: Mapped[Patient] = relationship(lazy="raise")
