"""Shapes of clinical notes."""

import marshmallow as ma

from ...api import PageArgs, Text, Time
from ..appointments.schemas import PersonSchema
from ..paging import PageSchema
from ..prose import Prose

_CATEGORY = ma.validate.OneOf(["progress", "nursing", "admission", "discharge", "consultation"])
LONGEST = 10_000
"""Characters: written as JSON in any script, it still fits into a body."""


class NoteListArgs(PageArgs):
    """Query of the list; the latest written comes first."""

    category = ma.fields.String(validate=_CATEGORY)


class NewNoteArgs(ma.Schema):
    """A note; who sends it signs it."""

    category = ma.fields.String(required=True, validate=_CATEGORY)
    text = Prose(required=True, max_length=LONGEST)


class AmendmentArgs(ma.Schema):
    """The whole new text, and why."""

    text = Prose(required=True, max_length=LONGEST)
    because = Text(required=True, max_length=200)


class NoteSchema(ma.Schema):
    """A note as one of its versions has it."""

    id = ma.fields.Integer(required=True)
    patient_id = ma.fields.Integer(required=True)
    category = ma.fields.String(required=True, validate=_CATEGORY)
    created_at = Time(required=True)
    number = ma.fields.Integer(required=True, metadata={"description": "Of the version, from 1."})
    text = ma.fields.String(required=True)
    because = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "Why it was amended."}
    )
    signed_by = ma.fields.Nested(PersonSchema, required=True)
    signed_at = Time(required=True)


class NotePageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(NoteSchema), required=True)
