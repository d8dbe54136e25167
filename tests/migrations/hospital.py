"""A hospital's data for the tests of the migrations: every column of every table, by name.

Rows are written for the newest revision; an older one takes the columns that it has.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

MORNING = datetime(2026, 3, 2, 6, 45, 12, 345678, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_PHC = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$0JtP5Zl4Q5c4W7wq9n0v0g"


def _user(id: int, email: str, name: str, user_type: str, **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "email": email,
        "name": name,
        "user_type": user_type,
        "unit_id": None,
        "password_hash": _PHC,
        "created_at": MORNING - 900 * _HOUR,
        "password_changed_at": MORNING - 90 * _HOUR,
        "must_change_password": False,
        "disabled_at": None,
        "failed_logins": 0,
        "blocked_until": None,
    } | columns


def _session(sid: str, user_id: int, **columns: Any) -> dict[str, Any]:
    return {
        "id": sid.ljust(22, "-"),
        "user_id": user_id,
        "profile": "standard",
        "device_name": "Ward 7, trolley 2 — „Käthe“",
        "address": "2001:db8::7",
        "by_cookie": False,
        "started_at": MORNING,
        "expires_at": MORNING + 12 * _HOUR,
        "latest_expires_at": MORNING + 12 * _HOUR,
        "shift_id": None,
        "shift_ends_at": None,
        "last_active_at": MORNING + _HOUR,
        "generation": 1,
        "refresh_jti": (sid + "J").ljust(22, "_"),
        "refresh_issued_at": MORNING,
        "predecessor_retired_at": None,
        "retired": [],
        "used_generation": 1,
        "late_reissues": 0,
        "late_generation": 0,
        "ended_at": None,
        "end_reason": None,
        "refuse_from": None,
        "change_number": None,
    } | columns


def _shift(id: int, user_id: int, unit_id: int, **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "user_id": user_id,
        "unit_id": unit_id,
        "starts_at": MORNING,
        "ends_at": MORNING + 8 * _HOUR,
        "in_charge": False,
        "cancelled_at": None,
        "version": 1,
    } | columns


def _patient(id: int, mrn: str, name: str, **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "mrn": mrn,
        "user_id": None,
        "name": name,
        "name_key": name.casefold(),
        "birth_date": None,
        "unit_id": None,
        "bed": None,
        "admitted_at": None,
        "discharged_at": None,
        "version": 1,
    } | columns


def _member(id: int, patient_id: int, user_id: int, **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "patient_id": patient_id,
        "user_id": user_id,
        "role": "attending",
        "starts_at": MORNING,
        "ends_at": None,
        "version": 1,
    } | columns


def _observation(
    id: int, patient_id: int, code: str, value: float, unit: str, **columns: Any
) -> dict[str, Any]:
    return {
        "id": id,
        "patient_id": patient_id,
        "code": code,
        "value": value,
        "unit": unit,
        "effective_at": MORNING - _HOUR,
        "recorded_at": MORNING,
        "recorded_by_id": 1,
        "status": "final",
        "marked_at": None,
        "marked_by_id": None,
        "marked_because": None,
        "version": 1,
    } | columns


def _handoff(id: int, patient_id: int, given_by_id: int, **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "patient_id": patient_id,
        "situation": "Stable, 38.2 °C",
        "background": "Hip, day 2",
        "assessment": "Wound is dry\nPain 3/10",
        "recommendation": "Mobilise; „gently“",
        "status": "pending",
        "given_by_id": given_by_id,
        "given_at": MORNING - _HOUR,
        "closed_by_id": None,
        "closed_at": None,
        "version": 1,
    } | columns


def _grant(id: int, sid: str, **columns: Any) -> dict[str, Any]:
    return {
        "id": id,
        "user_id": 1,
        "patient_id": 13,
        "unit_id": 1,
        "sid": sid.ljust(22, "-"),
        "reason_code": "life_threatening",
        "reason_text": "Found on the stairs – „no pulse“",
        "in_handoff": False,
        "opened_at": MORNING,
        "expires_at": MORNING + _HOUR,
        "ended_at": None,
        "end_reason": None,
        "due_at": MORNING + 72 * _HOUR,
        "outcome": None,
    } | columns


def _event(second: int, event: str, **columns: Any) -> dict[str, Any]:
    return {
        "recorded_at": MORNING + timedelta(seconds=second),
        "event": event,
        "outcome": "success",
        "reason": None,
        "actor": "user:1",
        "user_id": 1,
        "sid": "live".ljust(22, "-"),
        "jti": "liveJ".ljust(22, "_"),
        "request_id": "wfrWzQiISbc6sdti",
        "address": "192.0.2.4",
        "route": "/api/auth/refresh/",
        "detail": None,
        "salt": bytes(range(16)),
        "commitment": None,
    } | columns


_DIGEST = bytes(range(32))
_ENDED = MORNING + 2 * _HOUR
_ROTATED = {
    "generation": 7,
    "used_generation": 6,
    "predecessor_retired_at": MORNING + _HOUR,
    "retired": [[5, 1772437512.345678], [6, 1772437519.5]],
    "late_reissues": 2,
    "late_generation": 6,
}
HOSPITAL: dict[str, list[dict[str, Any]]] = {
    "units": [
        {"id": 1, "name": "Notaufnahme", "session_profile": "high_security"},
        {"id": 2, "name": "病棟 7", "session_profile": None},
    ],
    "users": [
        _user(1, "käthe@ward.example", "Käthe Nuñez", "nurse", unit_id=1),
        _user(2, "doc@ward.example", "Ömer O'Neil", "doctor", unit_id=2, failed_logins=3),
        _user(3, "gone@ward.example", "Gone", "admin", disabled_at=MORNING),
        _user(9, "patient@home.example", "P", "patient", blocked_until=MORNING + _HOUR),
    ],
    "patients": [
        _patient(9, "CL-9", "P", user_id=9),
        _patient(12, "KÄ-0012", "Åsa O’Neil", birth_date=date(1931, 2, 28), unit_id=1, bed="3b",
                 admitted_at=MORNING, version=3),
        _patient(13, "KÄ-0013", "Gone", unit_id=1, bed="3b", admitted_at=MORNING - 30 * _HOUR,
                 discharged_at=MORNING),
    ],
    "care_team_members": [
        _member(1, 12, 2, role="attending"),
        _member(2, 12, 1, role="nurse", ends_at=MORNING + 8 * _HOUR, version=2),
    ],
    "break_glass_grants": [
        _grant(1, "live", outcome="unclear", ended_at=MORNING + _HOUR / 2,
               end_reason="given_back"),
        _grant(2, "ended", unit_id=None, in_handoff=True),
    ],
    "break_glass_reviews": [
        {"id": 1, "grant_id": 1, "reviewer_id": 3, "outcome": "unclear",
         "comment": "Ask „Käthe“ herself", "reviewed_at": MORNING + 20 * _HOUR},
    ],
    "audited_patients": [
        {"patient_id": 12, "event_id": 2},
    ],
    "observations": [
        _observation(1, 12, "8310-5", 38.25, "Cel"),
        _observation(2, 12, "8867-4", 840, "/min", status="entered-in-error", marked_by_id=2,
                     marked_at=MORNING, marked_because="A nought too many – „84“", version=2),
    ],
    "patient_versions": [
        {"patient_id": 12, "version": 1, "name": "Käthe „Kay“ Früh", "birth_date": None,
         "unit_id": 1, "bed": "7b", "admitted_at": MORNING, "discharged_at": None,
         "replaced_by_id": 2, "replaced_at": MORNING + _HOUR},
    ],
    "appointment_versions": [
        {"appointment_id": 4, "version": 1, "starts_at": MORNING, "ends_at": MORNING + _HOUR,
         "status": "booked", "description": "First – look", "replaced_by_id": 2,
         "replaced_at": MORNING + _HOUR},
    ],
    "handoffs": [
        _handoff(1, 12, 1, status="accepted", closed_by_id=2, closed_at=MORNING, version=2),
        _handoff(2, 12, 2, given_at=MORNING + _HOUR),
    ],
    "patient_owners": [
        {"patient_id": 12, "user_id": 2, "since": MORNING},
    ],
    "notes": [
        {"id": 6, "patient_id": 12, "category": "nursing", "created_at": MORNING, "version": 2},
    ],
    "note_versions": [
        {"note_id": 6, "version": 1, "text": "Sleeps.\n\tNo pain.", "because": None,
         "signed_by_id": 1, "signed_at": MORNING},
        {"note_id": 6, "version": 2, "text": "Sleeps badly", "because": "Asked again",
         "signed_by_id": 2, "signed_at": MORNING + _HOUR},
    ],
    "appointments": [
        {
            "id": 4,
            "doctor_id": 2,
            "patient_id": 9,
            "starts_at": MORNING + 3 * _HOUR,
            "ends_at": MORNING + 4 * _HOUR,
            "status": "booked",
            "description": "Control of the wound; bring the x-rays",
        },
        {
            "id": 5,
            "doctor_id": 2,
            "patient_id": 9,
            "starts_at": MORNING - 27 * _HOUR,
            "ends_at": MORNING - 26 * _HOUR,
            "status": "fulfilled",
            "description": "„First“ visit",
        },
    ],
    "shifts": [
        _shift(2, 1, 1, starts_at=MORNING - 23 * _HOUR, cancelled_at=MORNING - 30 * _HOUR),
        _shift(3, 1, 2, in_charge=True, version=4),
    ],
    "sessions": [
        _session("live", 1, profile="high_security", **_ROTATED),
        _session("new", 2, device_name=None, address=None, used_generation=0),
        _session("shift", 1, shift_id=3, shift_ends_at=MORNING + 9 * _HOUR,
                 refuse_from=MORNING + 8 * _HOUR, change_number=41),
        _session("ended", 2, ended_at=_ENDED, end_reason="reused", refuse_from=_ENDED,
                 change_number=2**40),
    ],
    "idempotency_keys": [
        {"user_id": 2, "route": "/api/patients/<id:patient_id>/notes/", "key": "k" * 16,
         "fingerprint": "0" * 64, "answer": "{}", "created_at": MORNING},
    ],
    "one_time_codes": [
        {"user_id": 9, "code_hash": "0f" * 32, "expires_at": MORNING + _HOUR, "refusals": 2},
    ],
    "change_counter": [
        {"value": 2**40, "refuse_logins_before": MORNING - 30 * _HOUR, "key_change": 3},
    ],
    "signing_keys": [
        {"kid": "oldest", "algorithm": "HS256", "source": "settings", "sealed": None,
         "created_at": MORNING, "promoted_at": MORNING, "stopped_at": MORNING,
         "retired_at": MORNING},
        {"kid": "k" * 43, "algorithm": "EdDSA", "source": "made", "sealed": b"\x00\xff" * 80,
         "created_at": MORNING, "promoted_at": MORNING, "stopped_at": None, "retired_at": None},
    ],
    "audit_events": [
        _event(1, "login:succeeded", jti=None),
        _event(2, "session:reused", outcome="alert", reason="reused",
               detail={"generations_back": 3, "why": "„retired“"}),
        _event(77, "login:refused", outcome="refused", actor=None, user_id=None, sid=None),
    ],
    "audit_blocks": [
        {"number": 1, "first_seq": 1, "size": 2, "ids": "1-2", "marks": b"\0" * 16,
         "root": _DIGEST, "previous": _DIGEST, "sealed_at": _ENDED, "key_id": "0123456789abcdef",
         "head": _DIGEST, "seal": _DIGEST},
    ],
    "audit_gaps": [
        {"first_id": 3, "last_id": 76},
    ],
    "audit_checkpoints": [
        {"id": 5, "kind": "grown", "block": 1, "seq": 2, "head": _DIGEST, "made_at": _ENDED,
         "key_id": "0123456789abcdef", "signature": _DIGEST * 2},
    ],
    "audit_reviews": [
        {"id": 3, "reviewed_at": _ENDED, "reviewer": "P. Officer", "since": MORNING,
         "until": _ENDED, "scope": {"outcome": "alert"}, "events": 2, "findings": "None",
         "follow_up": False},
    ],
    "audit_purges": [
        {"block": 1, "retention_class": "access", "ids": "", "digests": b"",
         "purged_at": _ENDED, "key_id": "0123456789abcdef", "seal": _DIGEST},
    ],
    "audit_verifications": [
        {"id": 2, "whole": True, "actor": "housekeeper", "began_at": MORNING,
         "finished_at": _ENDED, "through_block": 1, "last_seq": 2, "head": _DIGEST, "events": 2,
         "found": 0, "faults": [], "key_id": "0123456789abcdef", "seal": _DIGEST},
    ],
}  # fmt: skip
