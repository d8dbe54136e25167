"""What every audit event must be: who, what, when and where, in known words (ASVS 16.2.1)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from carelink_api import clock
from carelink_api.audit import fhir
from carelink_api.audit.classes import RetentionClass, class_of
from carelink_api.audit.events import Event, Outcome
from carelink_api.audit.models import AuditEvent

ACTOR = re.compile(r"user:[1-9]\d*|cli|housekeeper|[a-z_]+:[\w.-]+")
SID, JTI, REQUEST_ID = map(re.compile, (r"[\w-]{22}", r"[\w-]{16,22}", r"[\w.-]{8,64}"))
REASON = re.compile(r"[a-z][a-z0-9_]{1,39}")
ADDRESS = re.compile(r"[0-9a-f.:]{2,45}")
ROUTE = re.compile(r"/[\w/<>:.-]*")
STRANGERS = ("login:", "token:", "session:refresh_refused", "session:reused", "user:code_refused")
"""Events that nobody known has caused."""
FURTHEST = timedelta(days=400)
"""A test that has moved time is over when its events are looked at."""
FORBIDDEN = re.compile(r"eyJ[\w-]+\.|\$argon2|password\s*[=:]", re.IGNORECASE)
_DCM_CODES = {"110100", "110101", "110106", "110112", "110113", "110114"}
_SUBTYPES = {"110122", "110123", "110127", "110136", "110137", "110138",
             "read", "create", "update", "delete"}  # fmt: skip


def all_events(engine: Engine) -> list[Mapping[str, Any]]:
    with engine.connect() as connection:
        return list(connection.execute(select(AuditEvent.__table__)).mappings())


def assert_well_formed(events: Iterable[Mapping[str, Any]]) -> None:
    """Every event keeps to the one schema."""
    wrong = {(each["event"], fault) for each in events for fault in faults_of(each)}
    assert wrong == set()


def faults_of(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an event, in words."""
    found = [*_what(event), *_who(event), *_when(event), *_where(event), *_code(event)]
    told = repr((event["reason"], event["detail"]))
    return found + (["a secret in it"] if FORBIDDEN.search(told) else [])


def _what(event: Mapping[str, Any]) -> Iterable[str]:
    if event["event"] not in set(Event):
        yield "an unknown name"
    if event["outcome"] not in set(Outcome):
        yield "an unknown outcome"
    if event["outcome"] == Outcome.REFUSED and not event["reason"]:
        yield "a refusal without a reason"
    if event["reason"] is not None and not REASON.fullmatch(event["reason"]):
        yield f"a reason that is no code: {event['reason']}"
    if not (event["detail"] is None or isinstance(event["detail"], dict)):
        yield "a detail that is no object"


def _who(event: Mapping[str, Any]) -> Iterable[str]:
    if event["actor"] is None:
        if not event["event"].startswith(STRANGERS):
            yield "nobody has done it"
    elif not ACTOR.fullmatch(event["actor"]):
        yield f"done by {event['actor']}"
    for name, form in (("sid", SID), ("jti", JTI)):
        if event[name] is not None and not form.fullmatch(event[name]):
            yield f"{name} of another form"


def _when(event: Mapping[str, Any]) -> Iterable[str]:
    at: datetime = event["recorded_at"]
    if at.tzinfo is None or at.utcoffset() != UTC.utcoffset(None):
        yield "a time that is not UTC"
    elif at - clock.now() > FURTHEST:
        yield "a time ahead"
    detail = event["detail"]
    occurred = detail.get("occurred_at") if isinstance(detail, dict) else None
    if occurred is not None and datetime.fromisoformat(occurred) > at:
        yield "it is told before it has occurred"


def _where(event: Mapping[str, Any]) -> Iterable[str]:
    """A request's has its id, its route and an address; what nobody has asked for, none of them."""
    forms = {"request_id": REQUEST_ID, "route": ROUTE, "address": ADDRESS}
    for name, form in forms.items():
        if event[name] is not None and not form.fullmatch(event[name]):
            yield f"{name} of another form: {event[name]}"
    if (event["request_id"] is None) != (event["route"] is None):
        yield "a request's id or route without the other"
    if event["actor"] in ("housekeeper", "cli") and event["request_id"] is not None:
        yield "a request that nobody has sent"
    if (event["actor"] or "").startswith("user:") and event["request_id"] is None:
        yield "a user's act without a request"


def _code(event: Mapping[str, Any]) -> Iterable[str]:
    if not isinstance(event["detail"], dict | None):
        return
    told = fhir.resource({**event, "patients": []})
    kind, codes = told["type"], {each["code"] for each in told["subtype"]}
    if kind["system"] == fhir.DCM and kind["code"] not in _DCM_CODES:
        yield f"a type that DICOM does not know: {kind['code']}"
    if kind["system"] != fhir.DCM and kind["code"] != "rest":
        yield f"a type that FHIR does not know: {kind['code']}"
    if codes - _SUBTYPES != {event["event"]}:
        yield f"subtypes {codes}"
    if told["action"] not in tuple("CRUDE") or told["outcome"] not in ("0", "4", "8", "12"):
        yield "an action or outcome that FHIR does not know"
    if class_of(event["event"]) not in set(RetentionClass):
        yield "no retention class"
