"""Shapes of what operators search for and do."""

from typing import Any, get_args

import marshmallow as ma

from ...accounts.models import UserType
from ...api import PageArgs, Secret, Text, Time
from ...auth.schemas import MAX_PASSWORD
from ...clinical.paging import PageSchema
from ...clinical.patients.schemas import UnitSchema
from ...clinical.shifts.schemas import YesNo
from ...fields import Id, query_id
from ...session_profiles import ProfileName

MAX_SESSIONS = 100_000_000
_SID = "^[A-Za-z0-9_-]{22}$"
_USER_TYPES = ma.validate.OneOf([str(user_type) for user_type in UserType])
_PROFILES = ma.validate.OneOf(get_args(ProfileName))


def sid_field(description: str) -> ma.fields.String:
    return ma.fields.String(
        validate=ma.validate.Regexp(f"{_SID[:-1]}\\Z"),
        metadata={"description": description, "pattern": _SID},
    )


def reason_field(*, required: bool = True) -> Text:
    """Why, kept in the audit trail."""
    return Text(
        required=required,
        min_length=3,
        max_length=200,
        metadata={"description": "Why, for the audit trail. No names of patients."},
    )


def own_password_field() -> Secret:
    """The credential again, for what cannot be undone."""
    return Secret(
        max_length=MAX_PASSWORD,
        description="One's own. May be left out within five minutes of the login.",
    )


class KnownUserSchema(ma.Schema):
    """Somebody, as operators see them: of a patient, the number and nothing else."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True, allow_none=True)
    email = ma.fields.String(required=True, allow_none=True)
    user_type = ma.fields.String(required=True)


class TypeCountSchema(ma.Schema):
    user_type = ma.fields.String(required=True)
    sessions = ma.fields.Integer(required=True)


class SearchArgs(PageArgs):
    """Query of the session list. Of patients' sessions, `q` and `address` find none."""

    q = Text(max_length=100, metadata={"description": "In a name, e-mail or device name."})
    session = sid_field("This one.")
    user_id = query_id("Only of this user.")
    unit_id = query_id("Only of users whose home unit this is.")
    user_type = ma.fields.String(validate=_USER_TYPES)
    profile = ma.fields.String(validate=_PROFILES)
    address = ma.fields.String(
        validate=ma.validate.Regexp(r"[0-9a-fA-F.:]{1,45}\Z"),
        metadata={
            "description": "How the address starts from which the session was begun.",
            "pattern": "^[0-9a-fA-F.:]{1,45}$",
        },
    )
    status = ma.fields.String(
        load_default="active", validate=ma.validate.OneOf(["active", "ended", "all"])
    )


class FoundSessionSchema(ma.Schema):
    """A session; of a patient's, neither device nor address."""

    id = ma.fields.String(required=True, metadata={"description": "The `sid`."})
    user = ma.fields.Nested(KnownUserSchema, required=True)
    unit = ma.fields.Nested(UnitSchema, required=True, allow_none=True)
    profile = ma.fields.String(required=True)
    device_name = ma.fields.String(required=True, allow_none=True)
    address = ma.fields.String(required=True, allow_none=True)
    started_at = Time(required=True)
    last_active_at = Time(required=True)
    idle_at = Time(
        required=True,
        allow_none=True,
        metadata={"description": "When inactivity ends it; null: never."},
    )
    expires_at = Time(required=True)
    shift_ends_at = Time(required=True, allow_none=True)
    generation = ma.fields.Integer(required=True)
    state = ma.fields.String(
        required=True,
        metadata={"description": "`live`, `ended`, or `idle`, `refused`: about to be ended."},
    )
    ended_at = Time(required=True, allow_none=True)
    end_reason = ma.fields.String(required=True, allow_none=True)
    current = ma.fields.Boolean(
        required=True, metadata={"description": "It is the operator's own."}
    )


class FoundSessionPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(FoundSessionSchema), required=True)


class RevocationArgs(ma.Schema):
    """Which sessions: exactly one of `session` … `everyone`. First with `dry_run`."""

    session = sid_field("This session.")
    user_id = Id(metadata={"description": "Every session of this user."})
    unit_id = Id(metadata={"description": "Of everyone whose home unit this is."})
    user_type = ma.fields.String(validate=_USER_TYPES)
    profile = ma.fields.String(validate=_PROFILES)
    address_range = Text(
        max_length=50,
        metadata={
            "description": "Of staff whose session was begun in this range (CIDR, as "
            "`10.20.0.0/16`). From where patients come is not for operators."
        },
    )
    everyone = YesNo(
        validate=ma.validate.Equal(True),
        metadata={"description": "Every session there is, and every login of before."},
    )
    dry_run = YesNo(required=True, metadata={"description": "Only say what it would end."})
    at_most = ma.fields.Integer(
        strict=True,
        validate=ma.validate.Range(0, MAX_SESSIONS),
        metadata={
            "description": "Without `dry_run`: end nothing where more sessions match than this."
        },
    )
    reason = reason_field(required=False)
    password = own_password_field()

    @ma.validates_schema
    def _demand_care(self, data: dict[str, Any], **_: Any) -> None:
        """Without `dry_run`, that it was asked with it before, and a reason."""
        if data["dry_run"]:
            return
        for name, words in (
            ("at_most", "First ask with dry_run how many."),
            ("reason", "Say why."),
        ):
            if name not in data:
                raise ma.ValidationError(words, name)


class RevocationSchema(ma.Schema):
    dry_run = ma.fields.Boolean(required=True)
    selected = ma.fields.Integer(
        required=True, metadata={"description": "How many matched when this call began."}
    )
    users = ma.fields.Integer(required=True, metadata={"description": "Of how many people."})
    by_user_type = ma.fields.List(ma.fields.Nested(TypeCountSchema), required=True)
    includes_own = ma.fields.Boolean(
        required=True, metadata={"description": "The operator's own is among them; it comes last."}
    )
    ended = ma.fields.Integer(required=True, metadata={"description": "By this call."})
    remaining = ma.fields.Integer(
        required=True,
        metadata={"description": "Not 0: the time of a call was over; send the same again."},
    )
    done = ma.fields.Boolean(required=True)
    pending = ma.fields.Boolean(
        metadata={"description": "With 202: Redis does not know all of it yet; the workers do."}
    )


class FlushArgs(ma.Schema):
    reason = reason_field()
    password = own_password_field()


class FlushedSchema(ma.Schema):
    removed = ma.fields.Integer(required=True)
    kept = ma.fields.Integer(
        required=True,
        metadata={"description": "Of sessions that SQL does not hold as ended: Redis alone does."},
    )
    done = ma.fields.Boolean(
        required=True,
        metadata={"description": "False: the time of a call was over; send the same again."},
    )
