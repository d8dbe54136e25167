"""Shapes of observations."""

from typing import Any

import marshmallow as ma

from ...api import PageArgs, Text, Time
from ...fields import Moment, QueryInteger
from ..appointments.schemas import PersonSchema
from ..paging import PageSchema
from .codes import VITAL_SIGNS, fault

MOST_AT_ONCE = 50
LONGEST_TREND_HOURS = 744
"""31 days."""


def _code(**kwargs: Any) -> ma.fields.String:
    known = {"description": "LOINC."}
    return ma.fields.String(validate=ma.validate.OneOf(list(VITAL_SIGNS)), metadata=known, **kwargs)


class Quantity(ma.fields.Float):
    """A JSON number, and no text that looks like one; two decimals are kept."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        number: float = super()._deserialize(value, *args, **kwargs)
        return round(number, 2)


class ObservationListArgs(PageArgs):
    """Query of the list; the latest measured comes first."""

    code = _code()
    status = ma.fields.String(validate=ma.validate.OneOf(["final", "entered-in-error"]))
    since = Moment(description="Measured at this time or later, RFC 3339 with an offset.")
    until = Moment(description="Measured before this time, RFC 3339 with an offset.")


class TrendArgs(ma.Schema):
    """Query of a trend: some hours up to a time."""

    code = _code(required=True)
    hours = QueryInteger(load_default=24, validate=ma.validate.Range(1, LONGEST_TREND_HOURS))
    until = Moment(description="The end of the span, RFC 3339 with an offset; now by default.")


class NewObservationArgs(ma.Schema):
    code = _code(required=True)
    value = Quantity(
        required=True,
        validate=ma.validate.Range(0, 2000),
        metadata={"description": "In the code's own unit; rounded to two decimals."},
    )
    effective_at = Moment(description="When it was measured: now by default, never ahead.")

    @ma.validates_schema
    def _is_plausible(self, data: dict[str, Any], **_: Any) -> None:
        found = fault(data["code"], data["value"])
        if found is not None:
            raise ma.ValidationError(found, "value")


_PLAUSIBLE = [
    {
        "properties": {
            "code": {"const": sign.code},
            "value": {"minimum": sign.minimum, "maximum": sign.maximum},
        }
    }
    for sign in VITAL_SIGNS.values()
]


class NewObservationsArgs(ma.Schema):
    """What was measured in one round: all of it is recorded, or nothing."""

    items = ma.fields.List(
        ma.fields.Nested(NewObservationArgs, metadata={"anyOf": _PLAUSIBLE}),
        required=True,
        validate=ma.validate.Length(1, MOST_AT_ONCE),
    )


class InErrorArgs(ma.Schema):
    because = Text(required=True, max_length=200)


class ObservationSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    patient_id = ma.fields.Integer(required=True)
    code = ma.fields.String(required=True, metadata={"description": "LOINC."})
    name = ma.fields.String(required=True)
    value = ma.fields.Float(required=True)
    unit = ma.fields.String(required=True, metadata={"description": "UCUM."})
    effective_at = Time(required=True)
    recorded_at = Time(required=True)
    recorded_by = ma.fields.Nested(PersonSchema, required=True)
    status = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["final", "entered-in-error"])
    )
    marked_at = Time(required=True, allow_none=True)
    marked_by = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    marked_because = ma.fields.String(required=True, allow_none=True)


class ObservationsSchema(ma.Schema):
    items = ma.fields.List(ma.fields.Nested(ObservationSchema), required=True)


class ObservationPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(ObservationSchema), required=True)


class PointSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    effective_at = Time(required=True)
    value = ma.fields.Float(required=True)


class TrendSchema(ma.Schema):
    code = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    unit = ma.fields.String(required=True)
    since = Time(required=True)
    until = Time(required=True)
    count = ma.fields.Integer(required=True)
    minimum = ma.fields.Float(required=True, allow_none=True)
    maximum = ma.fields.Float(required=True, allow_none=True)
    mean = ma.fields.Float(required=True, allow_none=True)
    points = ma.fields.List(
        ma.fields.Nested(PointSchema),
        required=True,
        metadata={"description": "The earliest first; of more than 2000 the latest 2000."},
    )
