"""Events as FHIR R4B AuditEvent resources. Pure.

Codes are DICOM's (DCM) for what they know, and FHIR's `rest` for work on records.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from .canonical import moment
from .events import Event, Outcome

DCM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_SYSTEM = "urn:carelink:"

Coding = dict[str, str]


def _dcm(code: str, display: str) -> Coding:
    return {"system": DCM, "code": code, "display": display}


_AUTHENTICATION = _dcm("110114", "User Authentication")
_ALERT = _dcm("110113", "Security Alert")
_AUDIT_USED = _dcm("110101", "Audit Log Used")
_RECORDS = {"system": _REST, "code": "rest", "display": "RESTful Operation"}

_TYPES: dict[str, tuple[Coding, Coding | None, str]] = {
    Event.LOGIN_SUCCEEDED: (_AUTHENTICATION, _dcm("110122", "Login"), "E"),
    Event.LOGIN_REFUSED: (_AUTHENTICATION, _dcm("110122", "Login"), "E"),
    Event.LOGIN_BLOCKED: (_AUTHENTICATION, _dcm("110122", "Login"), "E"),
    Event.SESSION_LOGGED_OUT: (_AUTHENTICATION, _dcm("110123", "Logout"), "E"),
    Event.BREAK_GLASS_OPENED: (_ALERT, _dcm("110127", "Emergency Override Started"), "E"),
    Event.BREAK_GLASS_ENDED: (_ALERT, _dcm("110138", "Emergency Override Stopped"), "E"),
    Event.USER_CHANGED: (_ALERT, _dcm("110136", "Security Roles Changed"), "U"),
    Event.PASSWORD_CHANGED: (_ALERT, _dcm("110137", "User Security Attributes Changed"), "U"),
    Event.TRAIL_READ: (_AUDIT_USED, None, "R"),
    Event.AUDIT_VERIFIED: (_AUDIT_USED, None, "R"),
    Event.AUDIT_EXPORTED: (_dcm("110106", "Export"), None, "R"),
    Event.AUDIT_PRUNED: (_ALERT, None, "D"),
}
_BY_OBJECT: dict[str, Coding] = {
    "login": _AUTHENTICATION,
    "session": _AUTHENTICATION,
    "token": _AUTHENTICATION,
    "user": _ALERT,
    "unit": _ALERT,
    "shift": _ALERT,
    "denylist": _ALERT,
    "revocation": _ALERT,
    "operation": _ALERT,
}
_ACTS = {
    **dict.fromkeys(("read", "listed", "found", "searched"), ("R", "read")),
    **dict.fromkeys(("created", "signed", "recorded", "booked", "given", "joined", "opened"),
                    ("C", "create")),
    **dict.fromkeys(("changed", "amended", "moved", "accepted", "withdrawn", "cancelled", "left",
                     "admitted", "discharged", "entered_in_error"), ("U", "update")),
}  # fmt: skip
_OUTCOMES: dict[str, str] = {Outcome.SUCCESS: "0", Outcome.REFUSED: "4", Outcome.ALERT: "8"}


def bundle(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a page of events as one Bundle."""
    entries = [
        {"fullUrl": f"{_SYSTEM}audit-event:{event['id']}", "resource": resource(event)}
        for event in events
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def resource(event: dict[str, Any]) -> dict[str, Any]:
    """Return one event, with `patients`, as an AuditEvent."""
    kind, subtype, action = _kind(event["event"])
    own = {"system": f"{_SYSTEM}event", "code": event["event"]}
    told: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"carelink-{event['id']}",
        "type": kind,
        "subtype": [*([subtype] if subtype else []), own],
        "action": action,
        "recorded": moment(event["recorded_at"]),
        "outcome": _outcome(event),
        "agent": [_agent(event)],
        "source": {"observer": {"display": "CareLink"}},
    }
    if event["reason"]:
        told["outcomeDesc"] = event["reason"]
    detail = event["detail"] or {}
    if "break_glass" in (detail.get("purpose"), detail.get("basis")):
        told["purposeOfEvent"] = [{"coding": [{"system": _REASON, "code": "BTG"}]}]
    told["entity"] = [*_patients(event), _facts(event)]
    return told


def _kind(name: str) -> tuple[Coding, Coding | None, str]:
    if name in _TYPES:
        return _TYPES[name]
    about, _, act = name.partition(":")
    action, interaction = _ACTS.get(act, ("E", ""))
    if about in _BY_OBJECT:
        return _BY_OBJECT[about], None, action
    subtype = {"system": _INTERACTION, "code": interaction} if interaction else None
    return _RECORDS, subtype, action


def _outcome(event: dict[str, Any]) -> str:
    if event["event"] == Event.BREAK_GLASS_OPENED and event["outcome"] == Outcome.ALERT:
        return "0"  # it was done; what alerts is that it had to be
    return _OUTCOMES.get(event["outcome"], "8")


def _agent(event: dict[str, Any]) -> dict[str, Any]:
    actor = event["actor"]
    kind, _, number = (actor or "").partition(":")
    who: dict[str, Any] = {"display": actor or "unknown"}
    if kind == "user":
        who = {"identifier": {"system": f"{_SYSTEM}user", "value": number}}
    agent: dict[str, Any] = {"who": who, "requestor": True}
    if role := event.get("role"):
        agent["role"] = [{"coding": [{"system": f"{_SYSTEM}user-type", "code": role}]}]
    if event["address"]:
        agent["network"] = {"address": event["address"], "type": "2"}
    return agent


def _patients(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "what": {"reference": f"Patient/{patient_id}"},
            "type": {"system": _ENTITY, "code": "1", "display": "Person"},
            "role": {"system": _ROLE, "code": "1", "display": "Patient"},
        }
        for patient_id in event["patients"]
    ]


def _facts(event: dict[str, Any]) -> dict[str, Any]:
    """Return whose account or session it is about, and all that FHIR has no place for."""
    names = ("user_id", "sid", "jti", "request_id", "route")
    facts = {name: event[name] for name in names if event[name] is not None}
    facts |= {} if event["detail"] is None else {"detail": orjson.dumps(event["detail"]).decode()}
    entity: dict[str, Any] = {
        "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
        "what": {"identifier": {"system": f"{_SYSTEM}audit-event", "value": str(event["id"])}},
    }
    if facts:
        entity["detail"] = [
            {"type": name, "valueString": str(value)} for name, value in facts.items()
        ]
    return entity
