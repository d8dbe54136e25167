"""Shapes of handoffs."""

import marshmallow as ma

from ...api import PageArgs, Time
from ..appointments.schemas import PersonSchema
from ..paging import PageSchema
from ..prose import Prose

_STATUS = ma.validate.OneOf(["pending", "accepted", "withdrawn", "superseded"])
LONGEST = 2000
"""Characters of each part: SBAR is to be read before a shift, not instead of the record."""


class HandoffListArgs(PageArgs):
    """Query of lists of handoffs; the latest given comes first."""

    status = ma.fields.String(validate=_STATUS)


class NewHandoffArgs(ma.Schema):
    """SBAR: what goes on, how it came, what one thinks of it, what should be done."""

    situation = Prose(required=True, max_length=LONGEST)
    background = Prose(required=True, max_length=LONGEST)
    assessment = Prose(required=True, max_length=LONGEST)
    recommendation = Prose(required=True, max_length=LONGEST)


class HandoffSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    patient = ma.fields.Nested(PersonSchema, required=True)
    situation = ma.fields.String(required=True)
    background = ma.fields.String(required=True)
    assessment = ma.fields.String(required=True)
    recommendation = ma.fields.String(required=True)
    status = ma.fields.String(required=True, validate=_STATUS)
    given_by = ma.fields.Nested(PersonSchema, required=True)
    given_at = Time(required=True)
    closed_by = ma.fields.Nested(
        PersonSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Who accepted it, took it back, or took the patient."},
    )
    closed_at = Time(required=True, allow_none=True)


class HandoffPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(HandoffSchema), required=True)


class OwnerSchema(ma.Schema):
    """The nurse who answers for a patient; null before the first handoff."""

    owner = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    since = Time(required=True, allow_none=True)
    reason = ma.fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf([None, "not_admitted", "unassigned"]),
        metadata={
            "description": "Why nobody does: is in no unit; came when no nurse was on shift there, "
            "or before anybody was named. Take the patient, or give a handoff."
        },
    )
