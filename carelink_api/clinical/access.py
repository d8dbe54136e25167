"""Who may see what: a pure rule, and the only one. What it does not grant is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnAsDoctor:
    """The appointments in which this user is the doctor."""

    user_id: int


@dataclass(frozen=True, slots=True)
class OwnAsPatient:
    """The appointments in which this user is the patient."""

    user_id: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """No appointment at all."""


AppointmentScope = OwnAsDoctor | OwnAsPatient | Nothing


def appointment_scope(user_type: str, user_id: int) -> AppointmentScope:
    """Return which appointments a user may see; a type that is not named sees none (ASVS 8.2.2)."""
    match user_type:
        case "doctor":
            return OwnAsDoctor(user_id)
        case "patient":
            return OwnAsPatient(user_id)
        case _:
            return Nothing()
