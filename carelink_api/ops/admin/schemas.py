"""Shapes of accounts. No field of them is another's password, or shows one."""

from typing import Any

import marshmallow as ma

from ...accounts.models import UserType
from ...api import PageArgs, Text, Time
from ...clinical.paging import PageSchema
from ...clinical.patients.schemas import UnitSchema
from ...fields import Id, query_id
from ..api.schemas import own_password_field, reason_field
from .administering import ADMINISTERED

_TYPES = [str(user_type) for user_type in UserType]
_ADMINISTERED = ma.validate.OneOf([str(user_type) for user_type in ADMINISTERED])


class OrderArgs(ma.Schema):
    """Body of whatever is done to an account."""

    reason = reason_field()
    password = own_password_field()


class IdentityArgs(ma.Schema):
    identity = Text(
        required=True,
        min_length=3,
        max_length=200,
        metadata={"description": "How it was made sure who asks: badge seen, called back."},
    )
    password = own_password_field()


class CreateArgs(OrderArgs):
    email = Text(required=True, max_length=254)
    name = Text(required=True, max_length=200)
    user_type = ma.fields.String(required=True, validate=_ADMINISTERED)
    unit_id = Id(allow_none=True, load_default=None, metadata={"description": "null: none."})


class ChangeArgs(OrderArgs):
    """What is not sent stays, and something is sent."""

    name = Text(max_length=200)
    user_type = ma.fields.String(validate=_ADMINISTERED)
    unit_id = Id(allow_none=True, metadata={"description": "null takes it out of its unit."})

    @ma.validates_schema
    def _demand_something(self, data: dict[str, Any], **_: Any) -> None:
        if not data.keys() & {"name", "user_type", "unit_id"}:
            raise ma.ValidationError("Name something to change.")


class SearchArgs(PageArgs):
    q = Text(max_length=100, metadata={"description": "In a name or e-mail."})
    user_type = ma.fields.String(validate=ma.validate.OneOf(_TYPES))
    unit_id = query_id("Of this unit.")
    state = ma.fields.String(
        validate=ma.validate.OneOf(["enabled", "disabled"]),
        metadata={"description": "Who waits after too many wrong passwords is enabled."},
    )


class AccountSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    email = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    user_type = ma.fields.String(required=True, validate=ma.validate.OneOf(_TYPES))
    unit = ma.fields.Nested(UnitSchema, required=True, allow_none=True)
    state = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["enabled", "disabled", "blocked"])
    )
    blocked_until = Time(
        required=True,
        allow_none=True,
        metadata={"description": "Blocked with null: until somebody enables it or makes a code."},
    )
    password_state = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(["own", "temporary", "none"]),
        metadata={"description": "Whether its owner alone knows one, others do, or there is none."},
    )
    password_changed_at = Time(required=True)
    code_expires_at = Time(
        required=True, allow_none=True, metadata={"description": "Of its one-time code, if any."}
    )
    created_at = Time(required=True)
    administered = ma.fields.Boolean(
        required=True, metadata={"description": "Whether administrators may change it here."}
    )


class AccountPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(AccountSchema), required=True)


class ChangedAccountSchema(AccountSchema):
    sessions_ended = ma.fields.Integer(required=True)
    pending = ma.fields.Boolean(
        metadata={"description": "With 202: Redis does not know of the ended sessions yet."}
    )


class CodeSchema(ma.Schema):
    code = ma.fields.String(
        required=True, metadata={"description": "Shown now and never again; good once."}
    )
    expires_at = Time(required=True)
