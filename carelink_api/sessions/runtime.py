"""The running parts of the core, wired once by `create_app`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

from ..bounded import BoundedCache
from .activity import ActivityLog
from .claims import AccessClaims
from .denylist import Denylist
from .listening import Hearing
from .pulse import Pulse
from .rows import Loaded

if TYPE_CHECKING:
    from .guard import Guard

EXTENSION = "carelink"


@dataclass(frozen=True)
class Runtime:
    """One per application."""

    denylist: Denylist
    pulse: Pulse
    activity: ActivityLog
    hearing: Hearing | None
    """None where Redis is asked every time."""
    guard: "Guard"
    verify_access: Callable[[str], AccessClaims]
    """Returns the claims of a good, unexpired access token; raises TokenNotValid."""
    ring: Callable[[], object]
    """Returns the keys that hold now: another object whenever they have changed."""
    own_sessions: BoundedCache[str, Loaded]
    """By `jti` of the access token that asked: what `me` shows."""


def runtime() -> Runtime:
    """Return the current application's parts."""
    return cast(Runtime, current_app.extensions[EXTENSION])
