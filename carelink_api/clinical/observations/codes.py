"""The vital signs that can be recorded: LOINC codes, UCUM units and what is plausible. Pure.

The codes are those of the FHIR vital signs profile where it has one. A plausible range is no
normal range: outside of it something was mistyped or measured wrong, in any living patient.
"""

from typing import NamedTuple


class VitalSign(NamedTuple):
    code: str
    """LOINC."""
    name: str
    unit: str
    """UCUM."""
    minimum: float
    maximum: float


_ALL = (
    VitalSign("8867-4", "Heart rate", "/min", 10, 350),
    VitalSign("9279-1", "Respiratory rate", "/min", 1, 120),
    VitalSign("8310-5", "Body temperature", "Cel", 20, 46),
    VitalSign("8480-6", "Systolic blood pressure", "mm[Hg]", 30, 350),
    VitalSign("8462-4", "Diastolic blood pressure", "mm[Hg]", 10, 250),
    VitalSign("59408-5", "Oxygen saturation by pulse oximetry", "%", 20, 100),
    VitalSign("2339-0", "Glucose in blood", "mg/dL", 5, 2000),
    VitalSign("72514-3", "Pain severity, 0 to 10", "{score}", 0, 10),
    VitalSign("29463-7", "Body weight", "kg", 0.2, 650),
    VitalSign("8302-2", "Body height", "cm", 15, 280),
)
VITAL_SIGNS = {sign.code: sign for sign in _ALL}


def fault(code: str, value: float) -> str | None:
    """Say why such a value of a known code cannot be, or None."""
    sign = VITAL_SIGNS[code]
    if sign.minimum <= value <= sign.maximum:
        return None
    return f"{sign.name} is from {sign.minimum:g} to {sign.maximum:g} {sign.unit}."
