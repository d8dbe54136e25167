"""One spelling of an event, whatever database has kept it: what is hashed. Pure.

JSON with sorted names and without white space, as RFC 8785 has it; numbers that are whole are
written whole, since databases do not keep `1.0` apart from `1`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

ERASABLE_DETAIL = "why"
"""The one member of `detail` that somebody has typed."""
_EVENT = b"carelink-audit-event-1\0"
_ERASABLE = b"carelink-audit-erasable-1\0"
_KEPT = ("id", "event", "outcome", "reason", "actor", "user_id", "sid", "jti", "request_id",
         "route")  # fmt: skip
_LATER = ("role",)
"""Columns that came later: spelled where they say something, so that older events verify as ever.
No other event is spelled the same: a name that is missing says None and nothing else."""


def canonical(value: Any) -> bytes:
    """Return the one spelling of a JSON value."""
    return orjson.dumps(_settled(value), option=orjson.OPT_SORT_KEYS)


def moment(at: datetime) -> str:
    """Return a time in UTC with all six digits of its microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def commitment(row: Mapping[str, Any]) -> bytes:
    """Return what stands for the erasable part of an event, before and after it is erased.

    The salt goes with it: nobody can find an address by trying them all (GDPR Art. 17).
    """
    detail = row["detail"] or {}
    salt = row["salt"].hex() if row["salt"] is not None else None
    said = [detail[ERASABLE_DETAIL]] if ERASABLE_DETAIL in detail else []
    return sha256(_ERASABLE + canonical([salt, row["address"], said])).digest()


def digest(row: Mapping[str, Any], patient_ids: Iterable[int]) -> bytes | None:
    """Return the hash of every column of an event, and of whose data it was about.

    None for what no hash could stand for: a row that says that it was erased and was not, and what
    no application of ours writes. Whoever seals goes on, and whoever verifies names it.
    """
    if not isinstance(row["detail"], dict | None):
        return None
    try:
        return _digest(row, patient_ids)
    except TypeError:  # an integer beyond 64 bits, half of a surrogate pair
        return None


def _digest(row: Mapping[str, Any], patient_ids: Iterable[int]) -> bytes | None:
    detail = row["detail"]
    stands = row["commitment"]
    if stands is None:
        stands = commitment(row)
    elif any((row["address"] is not None, row["salt"] is not None,
              ERASABLE_DETAIL in (detail or {}))):  # fmt: skip
        return None
    if detail is not None:
        detail = {name: value for name, value in detail.items() if name != ERASABLE_DETAIL}
    spelled = {name: row[name] for name in _KEPT} | {
        "recorded_at": moment(row["recorded_at"]),
        "detail": detail,
        "erasable": bytes(stands).hex(),
        "patients": sorted(patient_ids),
    }
    spelled |= {name: row[name] for name in _LATER if row.get(name) is not None}
    return sha256(_EVENT + canonical(spelled)).digest()


def _settled(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _settled(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(member) for member in value]
    return value
