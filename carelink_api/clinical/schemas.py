"""Shapes of the clinical API."""

import re
from datetime import date
from typing import Any

import marshmallow as ma

from ..api import PageArgs, Time

_DAY = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"


class Day(ma.fields.Date):
    """A day as `YYYY-MM-DD` and nothing else ISO 8601 allows, in centuries that mean something."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(_DAY, value):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class AppointmentArgs(PageArgs):
    """Query of the list of appointments."""

    day = Day(
        metadata={
            "description": "Only those that start on this day, YYYY-MM-DD, a day of UTC.",
            "pattern": _DAY,
        }
    )


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


class AppointmentPageSchema(ma.Schema):
    items = ma.fields.List(ma.fields.Nested(AppointmentSchema), required=True)
    total = ma.fields.Integer(
        required=True, metadata={"description": "How many there are on all pages."}
    )
    page = ma.fields.Integer(required=True)
    page_size = ma.fields.Integer(required=True)
