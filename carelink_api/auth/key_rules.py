"""When a key may begin to sign, and when it may go: pure rules on its dates."""

from datetime import datetime, timedelta
from enum import StrEnum

JWKS_SECONDS = 300
"""How long others may go without a new public key: `max-age` of the published set."""
EVERY_WORKER_KNOWS = timedelta(seconds=1)
"""The pulse's promise: within it a change of keys holds in every worker that reaches SQL."""


class KeyState(StrEnum):
    """What a key does. It goes forward through these; from `verifying` it may sign once more."""

    LISTED = "listed"
    """It verifies, so that everybody knows it before it signs."""
    SIGNING = "signing"
    VERIFYING = "verifying"
    """It has signed: tokens of it are about."""
    GONE = "gone"


def state_of(
    promoted_at: datetime | None, stopped_at: datetime | None, retired_at: datetime | None
) -> KeyState:
    """Return what a key does by its dates."""
    if retired_at is not None:
        return KeyState.GONE
    if stopped_at is not None:
        return KeyState.VERIFYING
    return KeyState.LISTED if promoted_at is None else KeyState.SIGNING


def may_sign_from(created_at: datetime, *, published: bool) -> datetime:
    """Return from when everybody who verifies knows the key: other services, if it is published."""
    others = timedelta(seconds=JWKS_SECONDS if published else 0)
    return created_at + EVERY_WORKER_KNOWS + others


def may_go_from(stopped_at: datetime, *, longest: timedelta, leeway: timedelta) -> datetime:
    """Return from when no token that it has signed can be alive."""
    return stopped_at + EVERY_WORKER_KNOWS + longest + leeway
