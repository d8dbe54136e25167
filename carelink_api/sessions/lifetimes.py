"""How long a session and its tokens live: pure rules (`docs/design.md`, section 3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

IDLE_NOTICE = timedelta(seconds=60)
"""Workers write activity at most this late, so every idle deadline lies this much further."""

_STRICTEST_FIRST = ("high_security", "standard", "extended")
_BY_USER_TYPE = {"researcher": "extended", "admin": "extended"}


def profile_for(user_type: str, *unit_profiles: str | None) -> str:
    """Return the strictest profile that user type and units call for."""
    called_for = (_BY_USER_TYPE.get(user_type, "standard"), *unit_profiles)
    return next(name for name in _STRICTEST_FIRST if name in called_for)


def is_stricter(profile: str, than: str) -> bool:
    return _STRICTEST_FIRST.index(profile) < _STRICTEST_FIRST.index(than)


def session_end(
    started_at: datetime, absolute: timedelta, shift_ends_at: datetime | None
) -> datetime:
    """Return when a session that starts now ends at the latest; rotation never moves it.

    `shift_ends_at` includes the handoff time.
    """
    end = started_at + absolute
    return end if shift_ends_at is None else min(end, shift_ends_at)


def idle_deadline(last_active_at: datetime, idle: timedelta | None) -> datetime | None:
    """Return the one deadline for refresh, housekeeper, `me` and access tokens; None for off."""
    return None if idle is None else last_active_at + idle + IDLE_NOTICE


@dataclass(frozen=True)
class AccessExpiry:
    """When an access token expires, and whether inactivity rather than its profile says so."""

    at: datetime
    capped_by_idle: bool


def access_expiry(
    now: datetime, access: timedelta, expires_at: datetime, idle_at: datetime | None
) -> AccessExpiry:
    """Return the expiry of an access token minted now: no token outlives its session."""
    end = min(now + access, expires_at)
    if idle_at is not None and idle_at < end:
        return AccessExpiry(idle_at, capped_by_idle=True)
    return AccessExpiry(end, capped_by_idle=False)
