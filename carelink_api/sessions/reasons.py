"""Why a session ended, and how much of that its token's holder is told."""

from enum import StrEnum


class EndReason(StrEnum):
    LOGGED_OUT = "logged_out"
    REVOKED = "revoked"
    PASSWORD_CHANGED = "password_changed"
    SESSION_CAP = "session_cap"
    """The user logged in on more devices than the setting allows."""
    REUSED = "reused"
    SESSION_EXPIRED = "session_expired"
    IDLE = "idle"
    SHIFT_ENDED = "shift_ended"
    USER_DISABLED = "user_disabled"


PUBLIC_REASONS = ("revoked", "reused", "session_expired", "idle", "shift_ended", "user_disabled")
"""The contract's `reason`s of an ended session; `expired` is the token's own."""


def public_reason(reason: str | None) -> str:
    """Return what a client is told: every act of a person or of ours is `revoked`."""
    return reason if reason in PUBLIC_REASONS else EndReason.REVOKED
