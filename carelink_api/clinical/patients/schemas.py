"""Shapes of patients."""

import marshmallow as ma

from ...api import PageArgs, Text, Time
from ...fields import ChangeArgs, Day, Id, query_id
from ..access import Tie
from ..paging import PageSchema

SORTS = ("name", "mrn", "bed", "admitted_at")
MRN_PATTERN = "^[A-Z0-9][A-Z0-9-]{2,18}[A-Z0-9]$"


class PatientListArgs(PageArgs):
    """Query of the list of patients."""

    q = Text(
        max_length=100,
        metadata={
            "description": "Part of the name, whatever its case and accents, or how the MRN begins."
        },
    )
    unit_id = query_id("Only those whose present or latest stay is in this unit.")
    status = ma.fields.String(
        validate=ma.validate.OneOf(["admitted", "discharged", "outpatient"]),
        metadata={"description": "In the house now; left it; never stayed."},
    )
    sort = ma.fields.String(
        load_default="name",
        validate=ma.validate.OneOf([*SORTS, *(f"-{name}" for name in SORTS)]),
        metadata={"description": "With `-` downwards. Ties go by id."},
    )


class UnitSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class PatientSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    mrn = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    birth_date = ma.fields.Date(required=True, allow_none=True)
    unit = ma.fields.Nested(UnitSchema, required=True, allow_none=True)
    bed = ma.fields.String(required=True, allow_none=True)
    admitted_at = Time(required=True, allow_none=True)
    discharged_at = Time(required=True, allow_none=True)


class PatientPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(PatientSchema), required=True)


class ReplacerSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class PatientVersionSchema(ma.Schema):
    """What stood there until somebody changed it."""

    version = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    birth_date = ma.fields.Date(required=True, allow_none=True)
    unit = ma.fields.Nested(UnitSchema, required=True, allow_none=True)
    bed = ma.fields.String(required=True, allow_none=True)
    admitted_at = Time(required=True, allow_none=True)
    discharged_at = Time(required=True, allow_none=True)
    replaced_at = Time(required=True)
    replaced_by = ma.fields.Nested(ReplacerSchema, required=True)


class PatientVersionPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(PatientVersionSchema), required=True)


class PlaceArgs(ma.Schema):
    """Where a stay is."""

    unit_id = Id(required=True)
    bed = Text(max_length=10, allow_none=True, load_default=None)


class NewPatientArgs(ma.Schema):
    mrn = ma.fields.String(
        required=True,
        validate=ma.validate.Regexp(MRN_PATTERN.removesuffix("$") + r"\Z"),
        metadata={"pattern": MRN_PATTERN},
    )
    name = Text(required=True, max_length=200)
    birth_date = Day(required=True, allow_none=True, description="null where nobody knows it.")
    unit_id = Id(allow_none=True, load_default=None, metadata={"description": "Admit there, now."})
    bed = Text(max_length=10, allow_none=True, load_default=None)


class PatientChangeArgs(ChangeArgs):
    """What may change; what is not sent stays. Another unit is a transfer."""

    name = Text(max_length=200)
    birth_date = Day(allow_none=True, description="null where nobody knows it.")
    unit_id = Id()
    bed = Text(max_length=10, allow_none=True)


class AccessorSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    user_type = ma.fields.String(required=True)


class AccessSchema(ma.Schema):
    at = Time(required=True)
    event = ma.fields.String(required=True, metadata={"description": "What was done."})
    outcome = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["success", "refused", "alert"])
    )
    user = ma.fields.Nested(
        AccessorSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null: the hospital's own operations, or another patient."},
    )
    basis = ma.fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf([None, *(str(tie) for tie in Tie)]),
        metadata={"description": "On what ground; null for a list, or where it was refused."},
    )
    reason_code = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What was said when the glass was broken."},
    )


class AccessLogPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(AccessSchema), required=True)
