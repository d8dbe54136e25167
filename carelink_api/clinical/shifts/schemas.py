"""Shapes of the roster."""

from typing import Any

import marshmallow as ma

from ...api import PageArgs, Secret, Text, Time
from ...fields import Id, Moment, query_id
from ..paging import PageSchema


class YesNo(ma.fields.Boolean):
    """JSON's `true` or `false`, and nothing that could mean it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def _reason() -> Text:
    """Why, kept with the change."""
    return Text(required=True, min_length=3, max_length=200)


class ListShiftsArgs(PageArgs):
    """Query of the roster."""

    unit_id = query_id("Only of this unit.")
    user_id = query_id("Only of this person.")
    ends_after = Moment()
    starts_before = Moment()
    status = ma.fields.String(
        load_default="active", validate=ma.validate.OneOf(["active", "cancelled"])
    )


class CreateShiftArgs(ma.Schema):
    user_id = Id(required=True)
    unit_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True, description="At most 24 hours later, RFC 3339.")
    in_charge = YesNo(load_default=False, metadata={"description": "The unit's charge nurse."})
    reason = _reason()


class ChangeShiftArgs(ma.Schema):
    """What is to be otherwise; `user_id` gives the shift to somebody else."""

    user_id = Id()
    unit_id = Id()
    starts_at = Moment()
    ends_at = Moment()
    in_charge = YesNo()
    reason = _reason()


class ReasonArgs(ma.Schema):
    reason = _reason()


class EndUnitSessionsArgs(ma.Schema):
    """Without `session` and `device_name`: all but the asker's own."""

    session = ma.fields.String(
        validate=ma.validate.Regexp(r"^[A-Za-z0-9_-]{22}\Z"),
        metadata={"pattern": "^[A-Za-z0-9_-]{22}$", "description": "Only this one."},
    )
    device_name = Text(max_length=100)
    reason = _reason()
    password = Secret(
        max_length=1024,
        description="One's own, to end them all later than five minutes after the login.",
    )


class NamedSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class ShiftSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    user = ma.fields.Nested(NamedSchema, required=True)
    unit = ma.fields.Nested(NamedSchema, required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True, metadata={"description": "Handoff time follows."})
    in_charge = ma.fields.Boolean(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["active", "cancelled"]))
    version = ma.fields.Integer(required=True, metadata={"description": "What the ETag shows."})


class ChangedShiftSchema(ShiftSchema):
    pending = ma.fields.Boolean(
        metadata={"description": "With 202: committed; Redis does not know yet."}
    )


class ShiftPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(ShiftSchema), required=True)


class WorkstationSchema(ma.Schema):
    id = ma.fields.String(required=True, metadata={"description": "The `sid`."})
    user = ma.fields.Nested(NamedSchema, required=True)
    device_name = ma.fields.String(required=True, allow_none=True)
    address = ma.fields.String(required=True, allow_none=True)
    started_at = Time(required=True)
    last_active_at = Time(required=True)
    expires_at = Time(required=True)
    current = ma.fields.Boolean(required=True)


class WorkstationPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(WorkstationSchema), required=True)


class EndedSchema(ma.Schema):
    message = ma.fields.String(required=True)
    sessions_ended = ma.fields.Integer(required=True)
    pending = ma.fields.Boolean(
        metadata={"description": "With 202: committed; Redis does not know yet."}
    )
