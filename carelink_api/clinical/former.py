"""What patients and appointments said before: kept in the transaction of each change.

It stays as long as the record does, and names who changed it by the account's id, as that does.
"""

from typing import Any

from ..versions import change
from .accessing import Access
from .former_models import AppointmentVersion, PatientVersion
from .models import Appointment, Patient

_OF_PATIENT = ("version", "name", "birth_date", "unit_id", "bed", "admitted_at", "discharged_at")
_OF_APPOINTMENT = ("version", "starts_at", "ends_at", "status", "description")


def change_patient(access: Access, patient: Patient, version: int) -> None:
    """Begin a change of a locked patient, and keep what it replaces. Raises PreconditionFailed."""
    said = {name: getattr(patient, name) for name in _OF_PATIENT}
    change(patient, version)
    access.sql.add(PatientVersion(patient_id=patient.id, **said, **_replaced(access)))


def change_appointment(access: Access, appointment: Appointment, version: int) -> None:
    """Do the same with a locked appointment. Raises PreconditionFailed."""
    said = {name: getattr(appointment, name) for name in _OF_APPOINTMENT}
    change(appointment, version)
    access.sql.add(AppointmentVersion(appointment_id=appointment.id, **said, **_replaced(access)))


def _replaced(access: Access) -> dict[str, Any]:
    return {"replaced_by_id": access.viewer.user_id, "replaced_at": access.viewer.now}
