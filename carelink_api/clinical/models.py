"""Tables of the clinical API. Names follow FHIR where FHIR has one."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..accounts.models import User
from ..database import Base, UtcDateTime


class Appointment(Base):
    """A doctor sees a patient at a time."""

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="order"),
        CheckConstraint("status IN ('booked', 'fulfilled', 'cancelled')", name="status"),
        Index("ix_appointments_doctor_id_starts_at", "doctor_id", "starts_at"),
        Index("ix_appointments_patient_id_starts_at", "patient_id", "starts_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    doctor_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(10), default="booked")
    description: Mapped[str] = mapped_column(String(200))

    doctor: Mapped[User] = relationship(foreign_keys=[doctor_id], lazy="raise")
    patient: Mapped[User] = relationship(foreign_keys=[patient_id], lazy="raise")
