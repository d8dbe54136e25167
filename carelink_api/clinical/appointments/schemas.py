"""Shapes of appointments."""

import marshmallow as ma

from ...api import PageArgs, Time
from ...fields import Day
from ..paging import PageSchema


class AppointmentArgs(PageArgs):
    """Query of the list of appointments."""

    day = Day(description="Only those that start on this day, YYYY-MM-DD, a day of UTC.")


class PersonSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class AppointmentSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    status = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["booked", "fulfilled", "cancelled"])
    )
    description = ma.fields.String(required=True)
    doctor = ma.fields.Nested(PersonSchema, required=True)
    patient = ma.fields.Nested(PersonSchema, required=True)


class AppointmentPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(AppointmentSchema), required=True)
