"""What a verified payload must say: every claim, with its type. None is ever defaulted."""

import re
from collections.abc import Mapping
from typing import Any

from ..accounts.models import UserType
from ..sessions.claims import AccessClaims, RefreshClaims

_SUB = re.compile(r"[1-9]\d{0,17}\Z", re.ASCII)
_SID = re.compile(r"[\w-]{22}\Z", re.ASCII)
_JTI = re.compile(r"[\w-]{11,64}\Z", re.ASCII)
_MAX_GENERATION = 2**31 - 2
_MAX_TIME = 2**33


def access_claims(payload: Mapping[str, Any]) -> AccessClaims:
    """Build an access token's claims. Raises KeyError, TypeError, ValueError."""
    common = _common_claims(payload)
    demand(_integer(payload["user_id"]) == common["user_id"], "user_id")
    demand(payload["user_type"] in list(UserType), "user_type")
    demand(isinstance(payload["fresh"], bool), "fresh")
    demand(payload["amr"] == ["pwd"], "amr")
    return AccessClaims(
        **common,
        user_type=payload["user_type"],
        fresh=payload["fresh"],
        auth_time=moment(payload["auth_time"]),
    )


def refresh_claims(payload: Mapping[str, Any]) -> RefreshClaims:
    """Build a refresh token's claims. Raises KeyError, TypeError, ValueError."""
    return RefreshClaims(**_common_claims(payload))


def _common_claims(payload: Mapping[str, Any]) -> dict[str, Any]:
    subject, sid, jti = payload["sub"], payload["sid"], payload["jti"]
    demand(isinstance(subject, str) and _SUB.match(subject), "sub")
    demand(isinstance(sid, str) and _SID.match(sid), "sid")
    demand(isinstance(jti, str) and _JTI.match(jti), "jti")
    generation = _integer(payload["gen"])
    demand(1 <= generation <= _MAX_GENERATION, "gen")
    return {
        "user_id": int(subject),
        "sid": sid,
        "jti": jti,
        "generation": generation,
        "expires_at": payload["exp"],
    }


def demand(holds: object, claim: str) -> None:
    """Raises ValueError where a claim is not as it must be."""
    if not holds:
        raise ValueError(claim)


def _integer(value: Any) -> int:
    if type(value) is not int:  # a bool is an int to Python, and a float a number to JSON
        raise TypeError("integer")
    return value


def moment(value: Any) -> int:
    """Return a claim's time, a plain integer of seconds. Raises TypeError, ValueError."""
    seconds = _integer(value)
    demand(0 < seconds < _MAX_TIME, "time")
    return seconds
