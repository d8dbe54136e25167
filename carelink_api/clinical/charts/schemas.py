"""Shapes of the board and the chart."""

import marshmallow as ma

from ...api import PageArgs, Time
from ...fields import QueryInteger, query_id
from ..access import Action, Tie
from ..appointments.schemas import AppointmentSchema, PersonSchema
from ..handoffs.schemas import HandoffSchema
from ..notes.schemas import NoteSchema
from ..observations.schemas import LONGEST_TREND_HOURS, PointSchema
from ..paging import PageSchema
from ..patients.schemas import MRN_PATTERN, PatientSchema


class BoardArgs(PageArgs):
    unit_id = query_id("Only of this unit.")


class SignSchema(ma.Schema):
    """The latest of one vital sign."""

    code = ma.fields.String(required=True, metadata={"description": "LOINC."})
    value = ma.fields.Float(required=True)
    unit = ma.fields.String(required=True, metadata={"description": "UCUM."})
    effective_at = Time(required=True)
    previous = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "The value before."}
    )


class GivenSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    given_by = ma.fields.Nested(PersonSchema, required=True)
    given_at = Time(required=True)


class BoardPatientSchema(PatientSchema):
    owner = ma.fields.Nested(
        PersonSchema,
        required=True,
        allow_none=True,
        metadata={"description": "The nurse who answers for the patient."},
    )
    pending_handoff = ma.fields.Nested(GivenSchema, required=True, allow_none=True)
    latest = ma.fields.List(
        ma.fields.Nested(SignSchema),
        required=True,
        metadata={"description": "Of the last 48 hours."},
    )


class BoardPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(BoardPatientSchema), required=True)


class ChartArgs(ma.Schema):
    hours = QueryInteger(
        load_default=24,
        validate=ma.validate.Range(1, LONGEST_TREND_HOURS),
        metadata={"description": "Of vital signs, back from now."},
    )


class ChartTrendSchema(ma.Schema):
    code = ma.fields.String(required=True, metadata={"description": "LOINC."})
    name = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, metadata={"description": "UCUM."})
    points = ma.fields.List(ma.fields.Nested(PointSchema), required=True)


class ChartMemberSchema(PersonSchema):
    role = ma.fields.String(required=True)


class OpenGrantSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    expires_at = Time(required=True)


class ChartPatientSchema(PatientSchema):
    version = ma.fields.Integer(required=True, metadata={"description": "For If-Match."})


class ChartAppointmentSchema(AppointmentSchema):
    version = ma.fields.Integer(required=True, metadata={"description": "For If-Match."})


class ChartSchema(ma.Schema):
    patient = ma.fields.Nested(ChartPatientSchema, required=True)
    basis = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf([str(tie) for tie in Tie]),
        metadata={"description": "On what ground the record is open to one."},
    )
    break_glass = ma.fields.Nested(OpenGrantSchema, required=True, allow_none=True)
    may = ma.fields.List(
        ma.fields.String(
            validate=ma.validate.OneOf([str(each) for each in Action if each is not Action.READ])
        ),
        required=True,
        metadata={"description": "What one may do at this moment."},
    )
    since = Time(required=True)
    until = Time(required=True)
    trends = ma.fields.List(ma.fields.Nested(ChartTrendSchema), required=True)
    notes = ma.fields.List(
        ma.fields.Nested(NoteSchema),
        required=True,
        metadata={"description": "The latest 30, as they read now, the latest first."},
    )
    owner = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    pending_handoff = ma.fields.Nested(HandoffSchema, required=True, allow_none=True)
    care_team = ma.fields.List(ma.fields.Nested(ChartMemberSchema), required=True)
    appointments = ma.fields.List(
        ma.fields.Nested(ChartAppointmentSchema),
        required=True,
        metadata={
            "description": "Of the last 30 days and to come, the earliest first; 20 at most."
        },
    )


class FindArgs(ma.Schema):
    mrn = ma.fields.String(
        required=True,
        validate=ma.validate.Regexp(MRN_PATTERN.removesuffix("$") + r"\Z"),
        metadata={"pattern": MRN_PATTERN},
    )


class FoundSchema(ma.Schema):
    patient_id = ma.fields.Integer(required=True)
    break_glass = ma.fields.Boolean(
        required=True, metadata={"description": "Only an emergency opens the record."}
    )
