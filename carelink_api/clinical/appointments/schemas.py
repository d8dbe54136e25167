"""Shapes of appointments."""

import marshmallow as ma

from ...api import PageArgs, Text, Time
from ...fields import ChangeArgs, Day, Id, Moment, query_id
from ..paging import PageSchema
from .rules import Mistake, Status

STATUSES = tuple(map(str, Status))


class AppointmentArgs(PageArgs):
    """Query of the list of appointments."""

    day = Day(description="Only those that start on this day, YYYY-MM-DD, a day of UTC.")
    patient_id = query_id("Only those of this patient.")
    doctor_id = query_id("Only those with this doctor.")
    status = ma.fields.String(validate=ma.validate.OneOf(STATUSES))


class PersonSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class AppointmentSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(STATUSES))
    description = ma.fields.String(required=True)
    doctor = ma.fields.Nested(PersonSchema, required=True)
    patient = ma.fields.Nested(PersonSchema, required=True)


class AppointmentPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(AppointmentSchema), required=True)


class AppointmentVersionSchema(ma.Schema):
    """What it was until somebody changed it."""

    version = ma.fields.Integer(required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(STATUSES))
    description = ma.fields.String(required=True)
    replaced_at = Time(required=True)
    replaced_by = ma.fields.Nested(PersonSchema, required=True)


class AppointmentVersionPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(AppointmentVersionSchema), required=True)


class NewAppointmentArgs(ma.Schema):
    patient_id = Id(required=True)
    doctor_id = Id(required=True)
    starts_at = Moment(required=True, description="Not in the past.")
    ends_at = Moment(required=True, description="At most 8 hours later.")
    description = Text(required=True, max_length=200)


class AppointmentChangeArgs(ChangeArgs):
    """What may change; what is not sent stays. Another doctor is another appointment."""

    starts_at = Moment(description="Not in the past.")
    ends_at = Moment(description="At most 8 hours later.")
    description = Text(max_length=200)


class MistakeArgs(ma.Schema):
    reason_code = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(tuple(map(str, Mistake))),
        metadata={"description": "Why what was said is not so."},
    )
