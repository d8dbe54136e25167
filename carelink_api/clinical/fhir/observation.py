"""A vital sign as FHIR Observation. Pure.

The profiles are those of the specification (R4B, vital signs). There, systolic and diastolic
pressure are components of one panel and nothing else; here each is a row with its own version and
its own mark when it was wrong. So each row is a panel that holds its half, and says of the other
that it stands elsewhere.
"""

from typing import Any

from .common import (
    LOINC,
    UCUM,
    Kind,
    Record,
    Resource,
    Server,
    concept,
    head,
    patient_reference,
    staff_reference,
    without_nothing,
)

_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_PROFILES = "http://hl7.org/fhir/StructureDefinition/"
_PROFILE = {
    "8867-4": "heartrate",
    "9279-1": "resprate",
    "8310-5": "bodytemp",
    "8480-6": "bp",
    "8462-4": "bp",
    "59408-5": "oxygensat",
    "29463-7": "bodyweight",
    "8302-2": "bodyheight",
}
_OTHER_CATEGORY = {"2339-0": "laboratory", "72514-3": "survey"}
"""What is measured at the bed and is no vital sign of FHIR's."""
_CODES = {"59408-5": ("2708-6", "59408-5")}
"""Where the profile asks for a more general code beside ours."""
_PANEL = "85354-9"
_PRESSURES = ("8480-6", "8462-4")


def resource(record: Record, server: Server) -> Resource:
    """Return the resource."""
    meta: dict[str, Any] = {"lastUpdated": record["marked_at"] or record["recorded_at"]}
    if profile := _PROFILE.get(record["code"]):
        meta["profile"] = [_PROFILES + profile]
    return without_nothing(
        {
            **head("Observation", record, **meta),
            "status": record["status"],
            "category": [concept(_CATEGORIES, _OTHER_CATEGORY.get(record["code"], "vital-signs"))],
            **_measured(record),
            "subject": patient_reference(record["patient_id"], server),
            "effectiveDateTime": record["effective_at"],
            "issued": record["recorded_at"],
            "performer": [staff_reference(record["recorded_by"])],
            "note": _why_wrong(record),
        }
    )


def address(record: Record, server: Server) -> str:
    """Return where it is served."""
    return f"{server.patient(record['patient_id'])}observations/{record['id']}/"


def _measured(record: Record) -> Resource:
    code = record["code"]
    if code in _PRESSURES:
        components = [_component(record) if half == code else _absent(half) for half in _PRESSURES]
        return {"code": concept(LOINC, _PANEL, text="Blood pressure"), "component": components}
    codes = _CODES.get(code, (code,))
    return {"code": concept(LOINC, *codes, text=record["name"]), "valueQuantity": _quantity(record)}


def _component(record: Record) -> Resource:
    code = concept(LOINC, record["code"], text=record["name"])
    return {"code": code, "valueQuantity": _quantity(record)}


def _absent(code: str) -> Resource:
    reason = concept(_ABSENT, "unknown", text="An observation of its own, where it was measured")
    return {"code": concept(LOINC, code), "dataAbsentReason": reason}


def _quantity(record: Record) -> Resource:
    value = record["value"]
    number = int(value) if value == int(value) else value  # digits that nobody measured say more
    return {"value": number, "unit": record["unit"], "system": UCUM, "code": record["unit"]}


def _why_wrong(record: Record) -> list[Resource]:
    if record["marked_at"] is None:
        return []
    author = staff_reference(record["marked_by"])
    return [
        {"authorReference": author, "time": record["marked_at"], "text": record["marked_because"]}
    ]


OBSERVATION = Kind("Observation", resource, address)
