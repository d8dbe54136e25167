"""What a verified token says. Built only by the verifier, which demands every claim."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims that both kinds of token carry. Times are seconds since the epoch."""

    user_id: int
    sid: str
    jti: str
    generation: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class RefreshClaims(Claims):
    """A verified refresh token."""


@dataclass(frozen=True, slots=True)
class AccessClaims(Claims):
    """A verified access token."""

    user_type: str
    fresh: bool
    """The token came from a login, not from a refresh."""
    auth_time: int
    """When the credential was last given."""
