"""What the resources share: addresses, references, codings. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
"""What a service shows of a record."""
Resource = dict[str, Any]
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
USERS = "urn:carelink:user"
"""The system of our users' ids: unique in one installation."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the records are served, and whose numbers they carry."""

    root: str
    """Such as `https://carelink.example`."""
    mrn_system: str

    def patient(self, patient_id: int) -> str:
        """Return a patient's address."""
        return f"{self.root}/api/patients/{patient_id}/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of resource: how a record becomes one, and where it is served."""

    name: str
    resource: Callable[[Record, Server], Resource]
    address: Callable[[Record, Server], str]


def head(kind: str, record: Record, **meta: Any) -> Resource:
    """Return how every resource begins."""
    return {
        "resourceType": kind,
        "id": str(record["id"]),
        "meta": {"versionId": str(record["version"]), **meta},
    }


def patient_reference(patient_id: int, server: Server, name: str | None = None) -> Resource:
    """Refer to a patient by address."""
    named = {} if name is None else {"display": name}
    return {"reference": server.patient(patient_id), "type": "Patient", **named}


def staff_reference(person: Record) -> Resource:
    """Refer to a doctor or nurse by id: users are served under no address."""
    identifier = {"system": USERS, "value": str(person["id"])}
    return {"type": "Practitioner", "identifier": identifier, "display": person["name"]}


def concept(system: str, *codes: str, text: str | None = None) -> Resource:
    """Return a CodeableConcept."""
    named = {} if text is None else {"text": text}
    return {"coding": [{"system": system, "code": code} for code in codes], **named}


def without_nothing(resource: Resource) -> Resource:
    """Leave out what has no value: FHIR knows neither null nor empty lists."""
    return {name: value for name, value in resource.items() if value not in (None, [])}
