"""What the design promises about one session, in plain Python: the oracle of the state machine.

Written from `docs/design.md`, sections 3 to 5, and not from the code: what it needs of a session
is its whole history, where the product keeps a row of a few columns. Times are epoch seconds.
"""

from dataclasses import dataclass, field
from enum import StrEnum

LEEWAY = 10.0
NOTICE = 60.0
"""Every idle deadline lies this much further: activity is written in batches."""
FORGIVEN = 16
LATE_LIMIT = 6
PUBLIC = {"reused", "session_expired", "idle", "shift_ended", "user_disabled"}


class Verdict(StrEnum):
    ROTATE = "rotate"
    KEEP = "keep"
    REISSUE = "reissue"
    REUSE = "reuse"
    REFUSED = "refused"
    EXPIRED = "expired"
    """The refresh token's own `exp` has passed."""


@dataclass(frozen=True)
class Windows:
    """How much a deployment forgives, and whether it rotates."""

    rotate: bool
    grace: float
    lost_response: float


@dataclass(frozen=True)
class Lifetimes:
    """A session profile; `idle` is None where it is off."""

    access: float
    absolute: float
    idle: float | None


@dataclass(frozen=True)
class Access:
    """An access token that somebody holds."""

    text: str
    sid: str
    generation: int
    expires_at: float

    def has_expired(self, now: float) -> bool:
        return now >= int(self.expires_at) + LEEWAY


@dataclass
class End:
    """How a session ended: the reasons that the design allows, when, and who knows of it."""

    reasons: set[str]
    at: float
    known_by: set[object] = field(default_factory=set)
    """The workers that must refuse it already, whatever they read."""


def public(reasons: set[str]) -> set[str]:
    """Return what a token's holder may be told: every act of a person or of ours is `revoked`."""
    return {reason if reason in PUBLIC else "revoked" for reason in reasons}


@dataclass
class Story:
    """One session: all its tokens, what became of them, and how it ended."""

    sid: str
    user: str
    lifetimes: Lifetimes
    windows: Windows
    started_at: float
    shift_ends_at: float | None
    last_active: float
    generation: int = 1
    refresh: dict[int, str] = field(default_factory=dict)
    """Every refresh token ever issued, by generation."""
    jti: dict[int, str] = field(default_factory=dict)
    access: list[Access] = field(default_factory=list)
    held: int = 1
    """The generation that the client holds: an answer may have been lost."""
    retired_at: dict[int, float] = field(default_factory=dict)
    """When those generations were retired that may be forgiven."""
    receipt: int = 0
    """The highest generation of which SQL knows that its access token was used."""
    late: set[int] = field(default_factory=set)
    end: End | None = None

    @property
    def expires_at(self) -> float:
        end = self.started_at + self.lifetimes.absolute
        return end if self.shift_ends_at is None else min(end, self.shift_ends_at)

    @property
    def idle_at(self) -> float | None:
        idle = self.lifetimes.idle
        return None if idle is None else self.last_active + idle + NOTICE

    def access_expires_at(self, now: float) -> tuple[float, bool]:
        """Return when an access token of now expires, and whether inactivity caps it."""
        end = min(now + self.lifetimes.access, self.expires_at)
        if self.idle_at is not None and self.idle_at < end:
            return self.idle_at, True
        return end, False

    def overdue(self, now: float) -> set[str]:
        """Return the reasons for which time has ended it; empty while it goes on."""
        reasons = set()
        if self.shift_ends_at is not None and self.shift_ends_at <= now:
            reasons.add("shift_ended")
        if self.expires_at <= now:
            reasons.add("session_expired")
        if self.idle_at is not None and self.idle_at < now:
            reasons.add("idle")
        return reasons

    def over(self, now: float) -> set[str]:
        """Return every reason for which it may be refused; empty while it goes on."""
        return self.end.reasons if self.end else self.overdue(now)

    def judge(self, generation: int, now: float) -> Verdict:
        """Say what a refresh with the token of that generation is worth now (section 4)."""
        if now >= int(self.expires_at) + LEEWAY:
            return Verdict.EXPIRED
        if self.over(now):
            return Verdict.REFUSED
        if generation == self.generation:
            return Verdict.ROTATE if self.windows.rotate else Verdict.KEEP
        if self._is_forgiven_at_once(generation, now):
            return Verdict.REISSUE
        if self._answer_was_probably_lost(generation, now) and not self._is_one_too_many():
            return Verdict.REISSUE
        return Verdict.REUSE

    def is_alarming(self, generation: int, now: float) -> bool:
        """Say whether a reissue is the third late one in a row, or a later one."""
        if self._is_forgiven_at_once(generation, now):
            return False
        return all(self.generation - back in self.late for back in (1, 2))

    def rotate(self, now: float) -> None:
        """Retire the current generation."""
        self.retired_at[self.generation] = now
        self.generation += 1

    def reissue(self, generation: int, now: float) -> None:
        """Remember that the current generation was asked for late, if it was late."""
        if not self._is_forgiven_at_once(generation, now):
            self.late.add(self.generation)

    def start_over(self) -> None:
        """The password was changed: the next generation, and nothing before it is forgiven."""
        self.generation += 1
        self.retired_at.clear()
        self.late.clear()

    def _is_forgiven_at_once(self, generation: int, now: float) -> bool:
        retired = sorted(self.retired_at)[-FORGIVEN:]
        grace = self.windows.grace
        return grace > 0 and generation in retired and now - self.retired_at[generation] <= grace

    def _answer_was_probably_lost(self, generation: int, now: float) -> bool:
        window = self.windows.lost_response
        if self.lifetimes.idle is not None:
            window = min(window, self.lifetimes.idle)
        if window <= 0 or generation not in self.retired_at:
            return False
        is_predecessor = generation == self.generation - 1
        unused = self.receipt < self.generation
        return is_predecessor and unused and now - self.retired_at[generation] <= window

    def _is_one_too_many(self) -> bool:
        if self.generation in self.late:
            return False  # counted already, however often it is asked for
        return all(self.generation - back in self.late for back in range(1, LATE_LIMIT))
