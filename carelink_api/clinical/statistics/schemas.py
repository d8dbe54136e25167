"""Shapes of statistics."""

import marshmallow as ma

from ...fields import Day


class StatisticsArgs(ma.Schema):
    since = Day(description="The first day, in UTC; without: 30 days in all.")
    until = Day(description="The last day, in UTC, where it is over; without: yesterday.")


class SignOfDaySchema(ma.Schema):
    day = ma.fields.Date(required=True)
    code = ma.fields.String(required=True, metadata={"description": "LOINC."})
    name = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, metadata={"description": "UCUM."})
    patients = ma.fields.Integer(required=True)
    measured = ma.fields.Integer(required=True)
    mean = ma.fields.Float(
        required=True, metadata={"description": "Of the patients' means on that day."}
    )
    standard_deviation = ma.fields.Float(
        required=True, metadata={"description": "Of the patients' means."}
    )


class StatisticsSchema(ma.Schema):
    since = ma.fields.Date(required=True)
    until = ma.fields.Date(required=True)
    smallest_group = ma.fields.Integer(
        required=True, metadata={"description": "Of fewer patients nothing is told."}
    )
    items = ma.fields.List(ma.fields.Nested(SignOfDaySchema), required=True)
