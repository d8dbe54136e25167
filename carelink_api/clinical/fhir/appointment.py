"""An appointment as FHIR Appointment: our statuses are its own. Pure."""

from .common import Kind, Record, Resource, Server, head, patient_reference, staff_reference


def resource(record: Record, server: Server) -> Resource:
    """Return the resource."""
    patient, doctor = record["patient"], record["doctor"]
    return {
        **head("Appointment", record),
        "status": record["status"],
        "description": record["description"],
        "start": record["starts_at"],
        "end": record["ends_at"],
        "participant": [
            _participant(patient_reference(patient["id"], server, patient["name"])),
            _participant(staff_reference(doctor)),
        ],
    }


def address(record: Record, server: Server) -> str:
    """Return where it is served."""
    return f"{server.root}/api/appointments/{record['id']}/"


def _participant(actor: Resource) -> Resource:
    return {"actor": actor, "required": "required", "status": "accepted"}


APPOINTMENT = Kind("Appointment", resource, address)
