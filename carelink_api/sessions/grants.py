"""What a login or refresh grants: everything that is needed to mint the tokens, and no token."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from ..config import Settings
from .lifetimes import AccessExpiry, access_expiry
from .rows import Loaded, SessionFacts, UserFacts


@dataclass(frozen=True)
class Grant:
    """One access token and one refresh token, not yet signed."""

    user: UserFacts
    session: SessionFacts
    generation: int
    issued_at: datetime
    access_jti: str
    access_expires: AccessExpiry
    refresh_jti: str
    refresh_issued_at: datetime
    fresh: bool = False
    reissued: bool = False


def new_sid() -> str:
    """Return 128 random bits in 22 URL-safe characters (ASVS 7.2.3)."""
    return secrets.token_urlsafe(16)


def new_jti() -> str:
    return secrets.token_urlsafe(12)


def grant_from(row: Loaded, now: datetime, settings: Settings) -> Grant:
    """Return what the row's current generation grants: a new access token beside its refresh token.

    Callers say with `replace` what differs: a login is fresh, a reissue reissued.
    """
    access = settings.session_profiles[row.session.profile].access
    return Grant(
        row.user,
        row.session,
        row.lineage.generation,
        now,
        new_jti(),
        access_expiry(now, access, row.session.expires_at, row.lineage.idle_at),
        row.refresh_jti,
        row.refresh_issued_at,
    )
