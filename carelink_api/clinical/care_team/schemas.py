"""Shapes of care teams."""

import marshmallow as ma

from ...api import PageArgs, Time
from ...fields import Id, Moment
from ..paging import PageSchema

ROLES = ("attending", "consulting", "nurse")


class CareTeamListArgs(PageArgs):
    """Query of a care team."""

    when = ma.fields.String(
        load_default="now",
        validate=ma.validate.OneOf(["now", "ever"]),
        metadata={"description": "Who is in it now, or whoever was and will be."},
    )


class MemberUserSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    user_type = ma.fields.String(required=True)


class MemberSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    user = ma.fields.Nested(MemberUserSchema, required=True)
    role = ma.fields.String(required=True, validate=ma.validate.OneOf(ROLES))
    starts_at = Time(required=True)
    ends_at = Time(required=True, allow_none=True)


class MemberPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(MemberSchema), required=True)


class NewMemberArgs(ma.Schema):
    user_id = Id(required=True)
    role = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(ROLES),
        metadata={"description": "`nurse` for a nurse, the others for a doctor."},
    )
    starts_at = Moment(
        load_default=None, allow_none=True, description="Not in the past; null: now."
    )
    ends_at = Moment(load_default=None, allow_none=True, description="null: until it is ended.")
