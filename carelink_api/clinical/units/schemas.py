"""Shapes of units."""

from typing import get_args

import marshmallow as ma

from ...accounts.models import UserType
from ...api import Time
from ...session_profiles import ProfileName
from ..appointments.schemas import PersonSchema
from ..paging import PageSchema


class UnitNowSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    session_profile = ma.fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf([None, *get_args(ProfileName)]),
        metadata={"description": "How long sessions last of who works there; null: as elsewhere."},
    )
    on_shift = ma.fields.Integer(
        required=True, metadata={"description": "How many are, without those in handoff time."}
    )


class UnitPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(UnitNowSchema), required=True)


class StaffSchema(ma.Schema):
    user = ma.fields.Nested(PersonSchema, required=True)
    user_type = ma.fields.String(
        required=True, validate=ma.validate.OneOf([str(each) for each in UserType])
    )
    in_charge = ma.fields.Boolean(
        required=True, metadata={"description": "The unit's charge nurse now."}
    )
    starts_at = Time(required=True)
    ends_at = Time(required=True, metadata={"description": "Handoff time follows."})
    state = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(["on_shift", "in_handoff"]),
        metadata={"description": "Who is in handoff time takes no patient any more."},
    )


class StaffPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(StaffSchema), required=True)
