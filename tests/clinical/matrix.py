"""Every route of the application, and what each user type gets from it.

A new route fails the tests until it stands here. The statuses are for a valid request to what the
user type is tied to: a nurse on shift in the patient's unit, a doctor in the care team, the patient
herself. `STRANGERS` are the same people where nothing ties them to the patient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from carelink_api import clock
from carelink_api.api import rfc3339
from tests.auth_helper import PASSWORD
from tests.clinical.ward import HOUR

USER_TYPES = ("patient", "nurse", "doctor", "researcher", "admin", "ops")
Statuses = tuple[int, ...]
Body = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """What a route answers: without a token, and to each of `USER_TYPES`."""

    anonymous: int
    tied: Statuses
    stranger: Statuses | None = None
    """To patient, nurse and doctor who have no tie; None for a route that is about no patient."""
    body: Body | None = None
    version: int | None = None
    query: Body | None = None


def _all(status: int) -> Statuses:
    return (status,) * len(USER_TYPES)


CARE = (200, 200, 200)
NOBODY = (404, 404, 404)  # researcher, admin, ops
HIDDEN, GLASS = (404, 404, 404), (404, 403, 403)
OPEN = Row(200, _all(200))
LOGGED_IN = Row(401, _all(200))
NO_LIST = (403, 403, 403)

_NOTES = "/api/patients/<id:patient_id>/notes/"
_HANDOFFS = "/api/patients/<id:patient_id>/handoffs/"
REVIEWERS = (403, 403, 403, 403, 200, 403)
OPERATORS = (403, 403, 403, 403, 403, 200)
STAFF = (403, 200, 200, 403, 200, 200)
ROSTER = (403, 404, 403, 403, 200, 403)
_ONE_OBSERVATION = "/api/patients/<id:patient_id>/observations/<id:observation_id>/"


def _appointment(live: dict[str, Any]) -> dict[str, Any]:
    starts_at = clock.now() + 5 * HOUR
    times = {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(starts_at + HOUR / 2)}
    ids = {"patient_id": live["patient_id"], "doctor_id": live["doctor_id"]}
    return ids | times | {"description": "Check"}


def _pulse(_: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"code": "8867-4", "value": 80}]}


def _sbar(_: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(("situation", "background", "assessment", "recommendation"), "Stable")


def _shift(live: dict[str, Any]) -> dict[str, Any]:
    starts_at = clock.now() + 48 * HOUR
    times = {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(starts_at + 8 * HOUR)}
    return {"user_id": live["nurse_id"], "unit_id": live["unit_id"], "reason": "Planned"} | times


def _emergency(live: dict[str, Any]) -> dict[str, Any]:
    reason = {"reason_code": "life_threatening", "reason_text": "Found without a pulse"}
    return {"patient_id": live["closed_patient_id"], "password": PASSWORD} | reason


def _trend(_: dict[str, Any]) -> dict[str, Any]:
    return {"code": "8867-4"}


MATRIX: dict[tuple[str, str], Row] = {
    # What anybody may ask, or asks with a credential in the body.
    ("GET", "/"): OPEN,
    ("GET", "/ops/"): OPEN,
    ("GET", "/static/<path:name>"): Row(404, _all(404)),
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/live/"): OPEN,
    ("GET", "/health/ready"): OPEN,
    ("GET", "/health/ready/"): OPEN,
    ("GET", "/metrics"): OPEN,
    ("GET", "/.well-known/jwks.json"): OPEN,
    ("GET", "/api/docs/"): OPEN,
    ("GET", "/api/docs/<name>"): Row(404, _all(404)),
    ("GET", "/api/openapi.json"): OPEN,
    ("POST", "/api/auth/login/"): Row(422, _all(422)),
    ("POST", "/api/token/"): Row(422, _all(422)),
    ("POST", "/api/auth/refresh/"): Row(401, _all(401)),
    ("POST", "/api/token/refresh/"): Row(401, _all(401)),
    ("POST", "/api/auth/verify/"): Row(422, _all(422)),
    ("POST", "/api/token/verify/"): Row(422, _all(422)),
    ("POST", "/api/auth/password/reset/"): Row(422, _all(422)),
    ("POST", "/api/auth/logout/"): LOGGED_IN,
    ("POST", "/api/token/blacklist/"): LOGGED_IN,
    # One's own session.
    ("GET", "/api/auth/me/"): LOGGED_IN,
    ("GET", "/api/auth/sessions/"): LOGGED_IN,
    ("DELETE", "/api/auth/sessions/<sid:sid>/"): Row(401, _all(404)),
    ("POST", "/api/auth/logout-all/"): LOGGED_IN,
    ("POST", "/api/auth/password/"): Row(401, _all(422)),
    # Patients.
    ("GET", "/api/patients/"): Row(401, CARE + NO_LIST, CARE),
    ("POST", "/api/patients/"): Row(
        401, (403, 201, 201, *NO_LIST), (403, 403, 201),
        body=lambda live: {"mrn": f"NEW-{live['number']}", "name": "New", "birth_date": None,
                           "unit_id": live["unit_id"]}),
    ("GET", "/api/patients/<id:patient_id>/"): Row(401, CARE + NOBODY, GLASS),
    ("PATCH", "/api/patients/<id:patient_id>/"): Row(
        401, (403, 200, 200, *NOBODY), GLASS, body=lambda _: {"name": "Other"}, version=1),
    ("POST", "/api/patients/<id:patient_id>/admit/"): Row(
        401, (403, 409, 409, *NOBODY), HIDDEN, body=lambda live: {"unit_id": live["unit_id"]},
        version=1),
    ("POST", "/api/patients/<id:patient_id>/discharge/"): Row(
        401, (403, 200, 200, *NOBODY), HIDDEN, version=1),
    ("GET", "/api/patients/<id:patient_id>/access-log/"): Row(
        401, (200, 403, 403, *NOBODY), HIDDEN),
    ("GET", "/api/board/"): Row(401, CARE + NO_LIST, CARE),
    ("GET", "/api/patients/<id:patient_id>/chart/"): Row(401, CARE + NOBODY, GLASS),
    ("POST", "/api/patients/find/"): Row(
        401, CARE + NOBODY, (404, 200, 200), body=lambda live: {"mrn": live["mrn"]}),
    # Care teams.
    ("GET", "/api/patients/<id:patient_id>/care-team/"): Row(401, CARE + NOBODY, GLASS),
    ("POST", "/api/patients/<id:patient_id>/care-team/"): Row(
        401, (403, 201, 201, *NOBODY), HIDDEN,
        body=lambda live: {"user_id": live["colleague_id"], "role": "consulting"}),
    ("GET", "/api/patients/<id:patient_id>/care-team/<id:member_id>/"): Row(
        401, CARE + NOBODY, GLASS),
    ("POST", "/api/patients/<id:patient_id>/care-team/<id:member_id>/end/"): Row(
        401, (403, 200, 200, *NOBODY), HIDDEN, version=1),
    # Observations.
    ("GET", "/api/patients/<id:patient_id>/observations/"): Row(401, CARE + NOBODY, GLASS),
    ("GET", "/api/patients/<id:patient_id>/observations/latest/"): Row(401, CARE + NOBODY, GLASS),
    ("GET", "/api/patients/<id:patient_id>/observations/trend/"): Row(
        401, CARE + NOBODY, GLASS, query=_trend),
    ("GET", _ONE_OBSERVATION): Row(401, CARE + NOBODY, GLASS),
    ("POST", "/api/patients/<id:patient_id>/observations/"): Row(
        401, (403, 201, 201, *NOBODY), GLASS, body=_pulse),
    ("POST", f"{_ONE_OBSERVATION}entered-in-error/"): Row(
        401, (403, 200, 200, *NOBODY), GLASS, body=lambda _: {"because": "Other arm"}, version=1),
    # Notes.
    ("GET", _NOTES): Row(401, CARE + NOBODY, GLASS),
    ("POST", _NOTES): Row(
        401, (403, 201, 201, *NOBODY), GLASS,
        body=lambda _: {"category": "nursing", "text": "Slept well"}),
    ("GET", f"{_NOTES}<id:note_id>/"): Row(401, CARE + NOBODY, GLASS),
    ("GET", f"{_NOTES}<id:note_id>/versions/"): Row(401, CARE + NOBODY, GLASS),
    ("POST", f"{_NOTES}<id:note_id>/amend/"): Row(  # only who has signed it
        401, (403, 403, 403, *NOBODY), GLASS,
        body=lambda _: {"text": "Slept badly", "because": "Asked again"}, version=1),
    # Handoffs: between nurses.
    ("GET", "/api/handoffs/"): Row(401, CARE + NO_LIST, CARE),
    ("GET", "/api/patients/<id:patient_id>/owner/"): Row(401, CARE + NOBODY, GLASS),
    ("POST", "/api/patients/<id:patient_id>/owner/"): Row(  # she has accepted the handoff
        401, (403, 200, 403, *NOBODY), HIDDEN),
    ("GET", _HANDOFFS): Row(401, CARE + NOBODY, GLASS),
    ("POST", _HANDOFFS): Row(401, (403, 409, 403, *NOBODY), HIDDEN, body=_sbar),
    ("GET", f"{_HANDOFFS}<id:handoff_id>/"): Row(401, CARE + NOBODY, GLASS),
    ("POST", f"{_HANDOFFS}<id:handoff_id>/accept/"): Row(401, (403, 200, 403, *NOBODY), HIDDEN),
    ("POST", f"{_HANDOFFS}<id:handoff_id>/withdraw/"): Row(401, (403, 403, 403, *NOBODY), HIDDEN),
    # Break-glass, of a record that is closed to everybody, and a grant that is another's.
    ("POST", "/api/break-glass/"): Row(
        401, (403, 201, 201, 403, 403, 403), (403, 201, 201), body=_emergency),
    ("GET", "/api/break-glass/"): Row(401, (403, 200, 200, 403, 403, 403), (403, 200, 200)),
    ("DELETE", "/api/break-glass/<id:grant_id>/"): Row(
        401, (403, 404, 404, 403, 403, 403), (403, 404, 404)),
    ("GET", "/api/break-glass/reviews/"): Row(401, REVIEWERS),
    ("POST", "/api/break-glass/<id:grant_id>/reviews/"): Row(
        401, (403, 403, 403, 403, 201, 403),
        body=lambda _: {"outcome": "appropriate", "comment": "Called to the ward"}),
    ("GET", "/api/break-glass/rates/"): Row(401, REVIEWERS),
    ("GET", "/api/units/<id:unit_id>/break-glass/"): Row(401, ROSTER),
    # The roster, and the sessions of a unit: a nurse who is not in charge sees her own shifts.
    ("GET", "/api/shifts/"): Row(401, (403, 200, 403, 403, 200, 403)),
    ("POST", "/api/shifts/"): Row(401, (403, 403, 403, 403, 201, 403), body=_shift),
    ("GET", "/api/shifts/<id:shift_id>/"): Row(401, ROSTER),
    ("PATCH", "/api/shifts/<id:shift_id>/"): Row(
        401, ROSTER, body=lambda _: {"in_charge": True, "reason": "Ill"}, version=1),
    ("POST", "/api/shifts/<id:shift_id>/cancel/"): Row(
        401, ROSTER, body=lambda _: {"reason": "Ill"}, version=2),
    ("GET", "/api/statistics/vital-signs/"): Row(401, (403, 403, 403, 200, 403, 403)),
    ("GET", "/api/units/"): Row(401, STAFF),
    ("GET", "/api/units/<id:unit_id>/staff/"): Row(401, STAFF),
    ("GET", "/api/units/<id:unit_id>/sessions/"): Row(401, ROSTER),
    ("POST", "/api/units/<id:unit_id>/sessions/end/"): Row(
        401, ROSTER, body=lambda _: {"reason": "Left open"}),
    # Accounts: for administrators alone; nobody's own, nor one of an administrator or operator.
    ("GET", "/api/accounts/"): Row(401, REVIEWERS),
    ("POST", "/api/accounts/"): Row(
        401, (403, 403, 403, 403, 201, 403),
        body=lambda live: {"email": f"new{live['number']}@x.example", "name": "New",
                           "user_type": "nurse", "unit_id": live["unit_id"], "reason": "Begins"}),
    ("GET", "/api/accounts/<id:user_id>/"): Row(401, REVIEWERS),
    ("PATCH", "/api/accounts/<id:user_id>/"): Row(
        401, REVIEWERS, body=lambda _: {"name": "Other", "reason": "Married"}),
    ("POST", "/api/accounts/<id:user_id>/code/"): Row(
        401, (403, 403, 403, 403, 201, 403), body=lambda _: {"identity": "Badge seen"}),
    ("POST", "/api/accounts/<id:user_id>/disable/"): Row(
        401, REVIEWERS, body=lambda _: {"reason": "Left"}),
    ("POST", "/api/accounts/<id:user_id>/enable/"): Row(
        401, REVIEWERS, body=lambda _: {"reason": "Back"}),
    # The audit trail: for administrators alone, who are its privacy officers here.
    ("GET", "/api/ops/audit/events/"): Row(
        401, REVIEWERS,
        query=lambda _: {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}),
    ("GET", "/api/ops/audit/reviews/"): Row(401, REVIEWERS),
    ("POST", "/api/ops/audit/reviews/"): Row(
        401, (403, 403, 403, 403, 201, 403),
        body=lambda _: {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z",
                        "findings": "Nothing"}),
    # Operations: for operators alone.
    ("GET", "/api/ops/numbers/"): Row(401, OPERATORS),
    ("GET", "/api/ops/sessions/"): Row(401, OPERATORS),
    ("POST", "/api/ops/revocations/"): Row(
        401, OPERATORS, body=lambda _: {"everyone": True, "dry_run": True, "reason": "A drill"}),
    ("GET", "/api/ops/denylist/"): Row(401, OPERATORS),
    ("POST", "/api/ops/denylist/flush/"): Row(
        401, OPERATORS, body=lambda _: {"reason": "A drill"}),
    ("GET", "/api/ops/events/"): Row(401, OPERATORS),
    ("GET", "/api/ops/break-glass/"): Row(401, OPERATORS),
    ("GET", "/api/ops/health/"): Row(401, OPERATORS),
    ("GET", "/api/patients/<id:patient_id>/versions/"): Row(401, CARE + NOBODY, GLASS),
    ("GET", "/api/appointments/<id:appointment_id>/versions/"): Row(401, CARE + NOBODY, HIDDEN),
    # Appointments.
    ("GET", "/api/appointments/"): Row(401, CARE + NO_LIST, CARE),
    ("POST", "/api/appointments/"): Row(
        401, (201, 201, 201, *NOBODY), HIDDEN, body=_appointment),
    ("GET", "/api/appointments/<id:appointment_id>/"): Row(401, CARE + NOBODY, HIDDEN),
    ("PATCH", "/api/appointments/<id:appointment_id>/"): Row(
        401, CARE + NOBODY, HIDDEN, body=lambda _: {"description": "Other"}, version=1),
    ("POST", "/api/appointments/<id:appointment_id>/cancel/"): Row(
        401, CARE + NOBODY, HIDDEN, version=1),
    ("POST", "/api/appointments/<id:appointment_id>/fulfil/"): Row(  # it has not begun
        401, (403, 409, 409, *NOBODY), HIDDEN, version=1),
    ("POST", "/api/appointments/<id:appointment_id>/reopen/"): Row(  # nothing was said of it
        401, (403, 409, 409, *NOBODY), HIDDEN, body=lambda _: {"reason_code": "came_late"},
        version=1),
    ("POST", "/api/appointments/<id:appointment_id>/no-show/"): Row(
        401, (403, 409, 409, *NOBODY), HIDDEN, version=1),
}  # fmt: skip
