"""What happens to a presented refresh token: a pure rule (`docs/design.md`, section 4).

Everything it needs stands in the session's row; nothing rests on Redis. Ages are taken without
leeway: that is an allowance for clocks, this is a judgement about replays (RFC 9700 §4.14.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .reasons import EndReason

MAX_RETIREMENTS = 16
ALERT_STREAK = 3
REUSE_STREAK = 6
"""Generations running that were reissued late. A lost answer now and then is bad Wi-Fi; one in
every generation is a second holder who refreshes in step with the first."""


@dataclass(frozen=True)
class RotationWindows:
    """How much is forgiven. Zero for both is strict single use."""

    grace: timedelta
    lost_response: timedelta
    rotate: bool = True


@dataclass(frozen=True)
class Lineage:
    """What the row says about one session's refresh tokens and its end."""

    generation: int
    predecessor_retired_at: datetime | None
    retired: Sequence[tuple[int, datetime]]
    used_generation: int
    late_reissues: int
    late_generation: int
    expires_at: datetime
    shift_ends_at: datetime | None
    idle: timedelta | None
    idle_at: datetime | None
    """The idle deadline; None where idle is off."""
    ended_reason: str | None
    """None while it goes on."""
    refuse_from: datetime | None
    user_disabled: bool
    by_cookie: bool
    """Every tab's answer writes the one cookie that all of them send."""


@dataclass(frozen=True)
class Rotate:
    """Retire the current generation and issue the one after `presented`."""

    row_behind: bool = False
    """The token is ahead of the row: the database has lost writes."""


@dataclass(frozen=True)
class Keep:
    """Rotation is off: the same refresh token again."""


@dataclass(frozen=True)
class Reissue:
    """Answer with the current generation's refresh token once more."""

    late_streak: int | None = None
    """None inside the grace period; else the generations in a row that were reissued late."""


@dataclass(frozen=True)
class Reuse:
    """A retired token outside every window: end the session."""


@dataclass(frozen=True)
class Refused:
    """The session goes on no more."""

    reason: str


Verdict = Rotate | Keep | Reissue | Reuse | Refused


def decide_rotation(
    session: Lineage, presented: int, now: datetime, windows: RotationWindows
) -> Verdict:
    """Judge a validly signed refresh token of generation `presented`, shown at `now`."""
    if reason := why_over(session, now):
        return Refused(reason)
    if presented > session.generation:
        return Rotate(row_behind=True)
    if presented == session.generation:
        if _might_be_overwritten(session, now, windows.grace):
            return Reissue()
        return Rotate() if windows.rotate else Keep()
    if _retired_a_moment_ago(session, presented, now, windows.grace):
        return Reissue()
    if _response_was_probably_lost(session, presented, now, windows.lost_response):
        streak = late_streak(session)
        return Reissue(streak) if streak < REUSE_STREAK else Reuse()
    return Reuse()


def why_over(session: Lineage, now: datetime) -> str | None:
    """Return why the session goes on no more at `now`, or None while it does."""
    if session.ended_reason is not None:
        return session.ended_reason
    if session.user_disabled:
        return EndReason.USER_DISABLED
    if session.shift_ends_at is not None and session.shift_ends_at <= now:
        return EndReason.SHIFT_ENDED
    if session.refuse_from is not None and session.refuse_from <= now:
        return EndReason.REVOKED
    if session.expires_at <= now:
        return EndReason.SESSION_EXPIRED
    if session.idle_at is not None and session.idle_at < now:
        return EndReason.IDLE
    return None


def late_streak(session: Lineage) -> int:
    """Return how many generations in a row were reissued late, this one included.

    A generation counts once however often it is reissued: retrying until one answer arrives is
    what a client on bad Wi-Fi should do.
    """
    counted = session.late_generation == session.generation
    return session.late_reissues + (0 if counted else 1)


def streak_after_rotation(session: Lineage) -> int:
    """Return the streak that a rotation leaves: none, unless this generation was late too."""
    return session.late_reissues if session.late_generation == session.generation else 0


def retirements_after(
    session: Lineage, presented: int, now: datetime, grace: timedelta
) -> list[tuple[int, datetime]]:
    """Return the retirements that the row keeps once `presented` has been retired."""
    young = [(generation, at) for generation, at in session.retired if now - at <= grace]
    return [*young, (presented, now)][-MAX_RETIREMENTS:]


def retired_at(session: Lineage, presented: int) -> datetime | None:
    """Return when that generation was retired; None where the row no longer tells."""
    if presented == session.generation - 1:
        return session.predecessor_retired_at
    return dict(session.retired).get(presented)


def retired_for_good(session: Lineage) -> bool:
    """Say whether the present generation began with another password: no former one is forgiven."""
    return session.generation > 1 and session.predecessor_retired_at is None


def _retired_a_moment_ago(
    session: Lineage, presented: int, now: datetime, grace: timedelta
) -> bool:
    return bool(grace) and any(
        generation == presented and now - at <= grace for generation, at in session.retired
    )


def _might_be_overwritten(session: Lineage, now: datetime, grace: timedelta) -> bool:
    """Return whether answers with the current token may be on their way to a browser's jar.

    Rotating it now would let one that arrives late put the retired token back over its successor.
    """
    return session.by_cookie and _retired_a_moment_ago(session, session.generation - 1, now, grace)


def _response_was_probably_lost(
    session: Lineage, presented: int, now: datetime, window: timedelta
) -> bool:
    retired_at = session.predecessor_retired_at
    if not window or retired_at is None or presented != session.generation - 1:
        return False
    window = window if session.idle is None else min(window, session.idle)
    child_was_never_used = session.used_generation < session.generation
    return child_was_never_used and now - retired_at <= window
