"""Shapes of break-glass."""

import re

import marshmallow as ma

from ...api import PageArgs, Secret, Text, Time
from ...fields import Id, QueryInteger, query_id
from ..paging import PageSchema
from ..patients.schemas import UnitSchema
from .rules import OUTCOMES, RATE_DAYS, REASON_CODES, Concern, GrantEnd

_WORD = r"[^\u0000-\u0020\u007f-\u009f]+"
_WORDS = f"^ *{_WORD}( +{_WORD})+ *$"


class BreakGlassArgs(ma.Schema):
    patient_id = Id(required=True)
    reason_code = ma.fields.String(required=True, validate=ma.validate.OneOf(REASON_CODES))
    reason_text = Text(
        required=True,
        min_length=10,
        max_length=500,
        metadata={
            "pattern": _WORDS,
            "description": "Why, in words of one's own. Reviewers read it: no findings, no names.",
        },
    )
    password = Secret(
        max_length=1024,
        description="One's own. May be left out within five minutes of the login.",
    )

    @ma.validates("reason_text")
    def _has_words(self, value: str, **_: object) -> None:
        if not re.fullmatch(_WORDS.strip("^$"), value):
            raise ma.ValidationError("Say it in at least two words.")


class OpenedSchema(ma.Schema):
    """What everybody sees of a grant who sees one."""

    id = ma.fields.Integer(required=True)
    patient_id = ma.fields.Integer(required=True)
    reason_code = ma.fields.String(required=True)
    opened_at = Time(required=True)
    expires_at = Time(required=True)
    ended_at = Time(
        required=True,
        allow_none=True,
        metadata={"description": "When it ended; written down within seconds of it."},
    )
    end_reason = ma.fields.String(
        required=True, allow_none=True, validate=ma.validate.OneOf([*map(str, GrantEnd), None])
    )
    open = ma.fields.Boolean(
        required=True, metadata={"description": "It opens the record now, to its session."}
    )


class GrantSchema(OpenedSchema):
    """A grant, as who holds it sees it."""

    reason_text = ma.fields.String(required=True)


class GrantPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(GrantSchema), required=True)


class ReviewListArgs(PageArgs):
    status = ma.fields.String(
        load_default="awaiting",
        validate=ma.validate.OneOf(["awaiting", "overdue", "settled", "all"]),
        metadata={"description": "Awaiting: not reviewed yet, or unclear."},
    )
    user_id = query_id("Only those of this user.")
    unit_id = query_id("Only those of patients who were in this unit.")


class ReviewArgs(ma.Schema):
    outcome = ma.fields.String(required=True, validate=ma.validate.OneOf(OUTCOMES))
    comment = Text(required=True, max_length=1000)


class BreakerSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    user_type = ma.fields.String(required=True)


def _concerns() -> "ma.fields.List[str]":
    return ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf([*map(str, Concern)])),
        required=True,
        metadata={"description": "Whose record it was, where that alone asks for a look."},
    )


class UnitGrantSchema(OpenedSchema):
    """A grant, as the unit's charge nurse sees it."""

    user = ma.fields.Nested(BreakerSchema, required=True)
    in_handoff = ma.fields.Boolean(
        required=True, metadata={"description": "Opened after a shift, in its handoff time."}
    )
    concerns = _concerns()


class UnitGrantPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(UnitGrantSchema), required=True)


class ReviewSchema(ma.Schema):
    outcome = ma.fields.String(required=True)
    comment = ma.fields.String(required=True)
    reviewed_at = Time(required=True)
    reviewer_id = ma.fields.Integer(required=True)


class ReviewedGrantSchema(GrantSchema):
    """A grant, as reviewers see it: who, when and why, and nothing of what the record holds."""

    user = ma.fields.Nested(BreakerSchema, required=True)
    unit = ma.fields.Nested(
        UnitSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Where the patient was."},
    )
    in_handoff = ma.fields.Boolean(required=True)
    concerns = _concerns()
    accesses = ma.fields.Integer(
        required=True, metadata={"description": "How often the record was used by it."}
    )
    due_at = Time(required=True)
    overdue = ma.fields.Boolean(required=True)
    outcome = ma.fields.String(required=True, allow_none=True)
    reviews = ma.fields.List(ma.fields.Nested(ReviewSchema), required=True)


class ReviewedGrantPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(ReviewedGrantSchema), required=True)


class RateArgs(PageArgs):
    by = ma.fields.String(load_default="user", validate=ma.validate.OneOf(["user", "unit"]))
    days = QueryInteger(load_default=RATE_DAYS, validate=ma.validate.Range(1, 366))


class RateSchema(ma.Schema):
    user = ma.fields.Nested(BreakerSchema, required=True, allow_none=True)
    unit = ma.fields.Nested(UnitSchema, required=True, allow_none=True)
    grants = ma.fields.Integer(required=True)
    per_week = ma.fields.Float(required=True)
    patients = ma.fields.Integer(
        required=True, metadata={"description": "How many different ones."}
    )
    inappropriate = ma.fields.Integer(required=True)
    awaiting = ma.fields.Integer(required=True)
    flagged = ma.fields.Integer(
        required=True, metadata={"description": "One's own, a colleague's or a VIP's record."}
    )


class RatePageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(RateSchema), required=True)
