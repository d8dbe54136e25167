"""Shapes of reports of the trail, and of the reviews that are signed off."""

from typing import Any

import marshmallow as ma

from ...api import PageArgs, Text, Time
from ...audit.events import Outcome
from ...audit.reading import SORTABLE
from ...clinical.paging import PageSchema
from ...clinical.shifts.schemas import YesNo
from ...fields import Id, Moment, query_id
from ..api.schemas import own_password_field

_OUTCOME = ma.validate.OneOf([str(outcome) for outcome in Outcome])
_EVENT = "^[a-z_]{1,30}:[a-z_]{0,30}$"


def _event_field() -> ma.fields.String:
    return ma.fields.String(
        validate=ma.validate.Regexp(f"{_EVENT[:-1]}\\Z"),
        metadata={
            "description": "Such as `session:reused`, or all that begin so: `login:`.",
            "pattern": _EVENT,
        },
    )


class _Period(ma.Schema):
    """Which events, of what period."""

    since = Moment(required=True, description="From this time on, RFC 3339 with an offset.")
    until = Moment(required=True, description="Before this time, RFC 3339 with an offset.")
    event = _event_field()
    outcome = ma.fields.String(validate=_OUTCOME)


class TrailReportArgs(_Period, PageArgs):
    user_id = query_id("By or about this account.")
    patient_id = query_id("Whose data it was about.")
    sort = ma.fields.String(load_default="recorded_at", validate=ma.validate.OneOf(SORTABLE))
    order = ma.fields.String(
        load_default="descending", validate=ma.validate.OneOf(["ascending", "descending"])
    )


class TrailEventSchema(ma.Schema):
    """One event of the trail: ids, and no name."""

    id = ma.fields.Integer(required=True)
    recorded_at = Time(required=True)
    event = ma.fields.String(required=True)
    outcome = ma.fields.String(required=True, validate=_OUTCOME)
    reason = ma.fields.String(required=True, allow_none=True)
    actor = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "`user:<id>`, `cli`, `housekeeper`; null for a stranger."},
    )
    role = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The user type, then, of who asked."},
    )
    user_id = ma.fields.Integer(required=True, allow_none=True)
    patients = ma.fields.List(
        ma.fields.Integer(), required=True, metadata={"description": "Whose data it was about."}
    )
    sid = ma.fields.String(required=True, allow_none=True)
    jti = ma.fields.String(required=True, allow_none=True)
    request_id = ma.fields.String(required=True, allow_none=True)
    address = ma.fields.String(required=True, allow_none=True)
    route = ma.fields.String(required=True, allow_none=True)
    detail = ma.fields.Dict(keys=ma.fields.String(), required=True)
    retention_class = ma.fields.String(required=True)
    kept_until = Time(required=True, metadata={"description": "It is not removed before."})


class TrailEventPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(TrailEventSchema), required=True)


class TrailReviewArgs(_Period):
    user_id = Id(metadata={"description": "By or about this account."})
    patient_id = Id(metadata={"description": "Whose data it was about."})
    findings = Text(
        required=True,
        max_length=4000,
        metadata={"description": "What was found; without names of patients."},
    )
    follow_up = YesNo(
        load_default=False, metadata={"description": "Something has to be done about it."}
    )
    password = own_password_field()

    @ma.validates_schema
    def _demand_a_period_and_words(self, data: dict[str, Any], **_: Any) -> None:
        if data["until"] <= data["since"]:
            raise ma.ValidationError("Must be after since.", "until")
        if not data["findings"].strip():
            raise ma.ValidationError("Must say something.", "findings")


class TrailReviewSchema(ma.Schema):
    id = ma.fields.Integer(required=True)
    reviewed_at = Time(required=True)
    reviewer = ma.fields.String(required=True)
    since = Time(required=True, allow_none=True)
    until = Time(required=True, allow_none=True)
    scope = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        metadata={"description": "By what the events were chosen beside the period."},
    )
    events = ma.fields.Integer(required=True, metadata={"description": "How many those were."})
    findings = ma.fields.String(required=True)
    follow_up = ma.fields.Boolean(required=True)


class TrailReviewPageSchema(PageSchema):
    items = ma.fields.List(ma.fields.Nested(TrailReviewSchema), required=True)
