"""Tables of what records said before they were changed. Rows are only ever added."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, UtcDateTime


class PatientVersion(Base):
    """What a patient's row said until somebody changed it (45 CFR 164.312(c)(1))."""

    __tablename__ = "patient_versions"

    patient_id: Mapped[int] = mapped_column(
        ForeignKey("patients.id"), primary_key=True, autoincrement=False
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """That of the row which said so."""
    name: Mapped[str] = mapped_column(String(200))
    birth_date: Mapped[date | None]
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    bed: Mapped[str | None] = mapped_column(String(10))
    admitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    discharged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaced_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AppointmentVersion(Base):
    """The same of an appointment; its doctor and patient never change."""

    __tablename__ = "appointment_versions"

    appointment_id: Mapped[int] = mapped_column(
        ForeignKey("appointments.id"), primary_key=True, autoincrement=False
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(10))
    description: Mapped[str] = mapped_column(String(200))
    replaced_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)
