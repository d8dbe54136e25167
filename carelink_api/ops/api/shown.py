"""Shapes of what operators see."""

import marshmallow as ma

from ...api import Time
from ...audit.events import Outcome
from ...clinical.patients.schemas import UnitSchema
from ...fields import QueryInteger, query_id
from .schemas import KnownUserSchema, TypeCountSchema, sid_field


class UnitCountSchema(UnitSchema):
    sessions = ma.fields.Integer(required=True)


class LiveSchema(ma.Schema):
    """Sessions that have not ended, by the home unit and the type of their users."""

    total = ma.fields.Integer(required=True)
    by_unit = ma.fields.List(ma.fields.Nested(UnitCountSchema), required=True)
    without_unit = ma.fields.Integer(required=True)
    by_user_type = ma.fields.List(ma.fields.Nested(TypeCountSchema), required=True)


def _minutes(description: str) -> ma.fields.List[int]:
    return ma.fields.List(ma.fields.Integer(), required=True, metadata={"description": description})


class SeriesSchema(ma.Schema):
    """How many events each of 60 minutes had; the last minute is not over."""

    logins = _minutes("Logins that succeeded.")
    refreshes = _minutes("Refreshes that gave a new access token.")
    reissues = _minutes("Refreshes answered with the current token once more.")
    reuse_alarms = _minutes("Sessions ended because a retired refresh token came back.")
    refusals = _minutes("Logins and refreshes refused.")
    throttles = _minutes("Requests refused because there were too many.")
    ended = _minutes("Sessions that ended, for whatever other reason.")


class LastHourSchema(ma.Schema):
    starts_at = Time(required=True)
    series = ma.fields.Nested(SeriesSchema, required=True)


class NumbersSchema(ma.Schema):
    at = Time(required=True)
    sessions = ma.fields.Nested(LiveSchema, required=True)
    last_hour = ma.fields.Nested(LastHourSchema, required=True)


class EntriesSchema(ma.Schema):
    sessions = ma.fields.Integer(required=True)
    tokens = ma.fields.Integer(required=True)
    complete = ma.fields.Boolean(
        required=True, metadata={"description": "False: counting took too long, there are more."}
    )


class RedisServerSchema(ma.Schema):
    """What a server tells of itself; null for what it keeps to itself."""

    node = ma.fields.String(required=True)
    server = ma.fields.String(required=True)
    role = ma.fields.String(required=True, allow_none=True)
    uptime_seconds = ma.fields.Integer(required=True, allow_none=True)
    used_memory_bytes = ma.fields.Integer(required=True, allow_none=True)
    maxmemory_bytes = ma.fields.Integer(required=True, allow_none=True)
    policy = ma.fields.String(required=True, allow_none=True)
    append_only = ma.fields.Boolean(required=True, allow_none=True)


class DenylistSchema(ma.Schema):
    answers = ma.fields.Boolean(required=True, metadata={"description": "Whether Redis does."})
    entries = ma.fields.Nested(EntriesSchema, required=True, allow_none=True)
    should_hold_sessions = ma.fields.Integer(
        required=True, metadata={"description": "Ended sessions that a token could still name."}
    )
    servers = ma.fields.List(ma.fields.Nested(RedisServerSchema), required=True)
    warnings = ma.fields.List(ma.fields.String(), required=True)


class EventArgs(ma.Schema):
    after = QueryInteger(
        validate=ma.validate.Range(0, 2**53),
        metadata={"description": "The `next_after` of the answer before; without: the last hour."},
    )
    limit = QueryInteger(load_default=100, validate=ma.validate.Range(1, 200))
    kind = ma.fields.String(
        load_default="notable",
        validate=ma.validate.OneOf(["notable", "alerts", "all"]),
        metadata={
            "description": "Notable: without successful logins, refreshes and ends. Alerts: "
            "what somebody should look at now."
        },
    )
    user_id = query_id("About this user's account or sessions.")
    session = sid_field("About this session.")


class EventSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    at = Time(required=True)
    event = ma.fields.String(required=True)
    outcome = ma.fields.String(
        required=True, validate=ma.validate.OneOf([str(outcome) for outcome in Outcome])
    )
    reason = ma.fields.String(required=True, allow_none=True)
    actor = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "`user:<id>`, `cli`, `housekeeper`; null for a stranger."},
    )
    actor_name = ma.fields.String(required=True, allow_none=True)
    user = ma.fields.Nested(KnownUserSchema, required=True, allow_none=True)
    session = ma.fields.String(required=True, allow_none=True)
    address = ma.fields.String(required=True, allow_none=True)
    request_id = ma.fields.String(required=True, allow_none=True)
    detail = ma.fields.Dict(keys=ma.fields.String(), required=True)


class EventsSchema(ma.Schema):
    """The oldest first. What is younger than ten seconds comes again with the next answer."""

    items = ma.fields.List(ma.fields.Nested(EventSchema), required=True)
    next_after = ma.fields.Integer(required=True)
    skipped = ma.fields.Boolean(
        required=True, metadata={"description": "There were more; these are the newest."}
    )


class UnitEmergenciesSchema(ma.Schema):
    unit = ma.fields.Nested(UnitSchema, required=True, allow_none=True)
    opened = ma.fields.Integer(required=True)
    awaiting = ma.fields.Integer(required=True)


class EmergenciesSchema(ma.Schema):
    """How often, where, and how many reviews are due; nothing of whom."""

    open_now = ma.fields.Integer(required=True)
    opened_last_day = ma.fields.Integer(required=True)
    opened_last_30_days = ma.fields.Integer(required=True)
    awaiting = ma.fields.Integer(required=True, metadata={"description": "Not reviewed yet."})
    overdue = ma.fields.Integer(required=True)
    next_due_at = Time(required=True, allow_none=True)
    by_unit = ma.fields.List(ma.fields.Nested(UnitEmergenciesSchema), required=True)


class FindingSchema(ma.Schema):
    name = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(["ok", "warn", "bad"]))
    found = ma.fields.String(required=True)
    means = ma.fields.String(required=True, metadata={"description": "For those who work."})
    mend = ma.fields.String(required=True, metadata={"description": "What to do."})


class HealthSchema(ma.Schema):
    at = Time(required=True)
    status = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["ready", "degraded", "unavailable"])
    )
    findings = ma.fields.List(ma.fields.Nested(FindingSchema), required=True)
