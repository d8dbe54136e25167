"""Shapes of the auth blueprint."""

import marshmallow as ma

from ..accounts.models import UserType
from ..api import Secret, Text, Time

MAX_PASSWORD = 1024


class LoginArgs(ma.Schema):
    email = Text(required=True, max_length=254)
    password = Secret(required=True, max_length=MAX_PASSWORD)
    new_password = Secret(
        max_length=MAX_PASSWORD,
        description="Changes the password first, and ends the sessions of the former one.",
    )
    user_type = ma.fields.String(
        validate=ma.validate.OneOf([str(user_type) for user_type in UserType]),
        metadata={"description": "Where given, an account of another type is refused."},
    )
    device_name = Text(max_length=100)
    transport = ma.fields.String(
        load_default="body",
        validate=ma.validate.OneOf(["body", "cookie"]),
        metadata={
            "description": "How the refresh token travels. In a cookie no script sees it: then "
            "`csrf_token` takes its place in the answer."
        },
    )


class RefreshArgs(ma.Schema):
    refresh = Secret(max_length=8192, description="Without it, the cookie holds the token.")


class LogoutArgs(ma.Schema):
    refresh = Secret(
        max_length=8192,
        description="Without it, the cookie or the access token says which session.",
    )


class VerifyArgs(ma.Schema):
    token = Secret(required=True, max_length=8192)


class VerifiedShape(ma.Schema):
    """Nothing: the status says it."""


class PasswordArgs(ma.Schema):
    current_password = Secret(required=True, max_length=MAX_PASSWORD)
    new_password = Secret(
        required=True,
        max_length=MAX_PASSWORD,
        description="At least 15 characters, and none that guessers try first.",
    )


class ResetArgs(ma.Schema):
    email = Text(required=True, max_length=254)
    code = Secret(
        required=True,
        max_length=64,
        description="As it was told; case, dashes and blanks do not count.",
    )
    new_password = Secret(
        required=True,
        max_length=MAX_PASSWORD,
        description="At least 15 characters, and none that guessers try first.",
    )


class UserShape(ma.Schema):
    id = ma.fields.Integer(required=True)
    email = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    user_type = ma.fields.String(required=True)
    unit = ma.fields.String(required=True, allow_none=True)


class ShiftShape(ma.Schema):
    id = ma.fields.Integer(required=True)
    ends_at = Time(required=True)


class SessionShape(ma.Schema):
    id = ma.fields.String(required=True, metadata={"description": "The `sid`."})
    profile = ma.fields.String(required=True)
    started_at = Time(required=True)
    expires_at = Time(required=True)
    idle_timeout_seconds = ma.fields.Integer(required=True, metadata={"description": "0: off"})
    shift = ma.fields.Nested(ShiftShape, required=True, allow_none=True)


class TokenPairShape(ma.Schema):
    access = ma.fields.String(required=True)
    refresh = ma.fields.String(metadata={"description": "With transport `body`."})
    csrf_token = ma.fields.String(
        metadata={
            "description": "With transport `cookie`: send it as X-CareLink-CSRF with the cookie. "
            "The same for all of a session."
        }
    )
    expires_in = ma.fields.Integer(
        required=True, metadata={"description": "Seconds until the access token expires."}
    )
    access_expires_at = Time(required=True)
    access_capped_by = ma.fields.String(
        validate=ma.validate.OneOf(["idle"]),
        metadata={
            "description": "Present when inactivity ends the token early: wait for the user."
        },
    )
    refresh_expires_at = Time(required=True)
    session = ma.fields.Nested(SessionShape, required=True)
    user = ma.fields.Nested(UserShape, required=True)


class RefreshedShape(TokenPairShape):
    reissued = ma.fields.Boolean(
        required=True, metadata={"description": "The current refresh token once more."}
    )


class PasswordChangedShape(TokenPairShape):
    pending = ma.fields.Boolean(
        metadata={"description": "With 202: Redis does not know of the ended sessions yet."}
    )


class MessageShape(ma.Schema):
    message = ma.fields.String(required=True)
    pending = ma.fields.Boolean(
        metadata={"description": "With 202: committed; Redis does not know yet."}
    )


class LogoutAllShape(MessageShape):
    sessions_ended = ma.fields.Integer(required=True)


class SecondsLeftShape(ma.Schema):
    idle = ma.fields.Integer(required=True, allow_none=True)
    absolute = ma.fields.Integer(required=True)
    shift = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Until shift end and handoff time are over; null: no shift."},
    )
    handoff = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Until handoff time begins; 0 during it; null: no shift."},
    )


class MeShape(ma.Schema):
    user = ma.fields.Nested(UserShape, required=True)
    session = ma.fields.Nested(SessionShape, required=True)
    password_changed_at = Time(
        required=True,
        metadata={"description": "Show it: who has not changed it then must say so."},
    )
    seconds_left = ma.fields.Nested(SecondsLeftShape, required=True)


class OwnSessionShape(ma.Schema):
    id = ma.fields.String(required=True)
    profile = ma.fields.String(required=True)
    device_name = ma.fields.String(required=True, allow_none=True)
    address = ma.fields.String(required=True, allow_none=True)
    started_at = Time(required=True)
    last_active_at = Time(required=True)
    expires_at = Time(required=True)
    ended_at = Time(required=True, allow_none=True)
    end_reason = ma.fields.String(required=True, allow_none=True)
    current = ma.fields.Boolean(required=True)


class OwnSessionsShape(ma.Schema):
    items = ma.fields.List(ma.fields.Nested(OwnSessionShape), required=True)
    total = ma.fields.Integer(required=True)
    page = ma.fields.Integer(required=True)
    page_size = ma.fields.Integer(required=True)
