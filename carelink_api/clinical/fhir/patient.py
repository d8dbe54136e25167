"""A patient as FHIR Patient. Pure.

Unit, bed, admission and discharge are not in it: they belong to an Encounter, which is not served.
"""

from .common import Kind, Record, Resource, Server, concept, head, without_nothing

_KINDS_OF_NUMBER = "http://terminology.hl7.org/CodeSystem/v2-0203"


def resource(record: Record, server: Server) -> Resource:
    """Return the resource."""
    number = {
        "use": "usual",
        "type": concept(_KINDS_OF_NUMBER, "MR"),
        "system": server.mrn_system,
        "value": record["mrn"],
    }
    return without_nothing(
        {
            **head("Patient", record),
            "identifier": [number],
            "name": [{"use": "official", "text": record["name"]}],
            "birthDate": record["birth_date"],
        }
    )


def address(record: Record, server: Server) -> str:
    """Return where it is served."""
    return server.patient(record["id"])


PATIENT = Kind("Patient", resource, address)
