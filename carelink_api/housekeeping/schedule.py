"""Which chores there are, when one is due, and when it is late. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Chore(StrEnum):
    """What a housekeeper does, in the order in which a round does it."""

    EXPIRE = "expire"
    """End the sessions whose time has come, and note the end of what hangs on them."""
    PUBLISH = "publish"
    """Write to Redis what has ended since the last look."""
    COMPARE = "compare"
    """Write to Redis whatever it should hold and does not."""
    SEAL = "seal"
    SIGN = "sign"
    """Sign how far the audit trail has got, and say so outside."""
    SHIP = "ship"
    """Hand sealed events to another system; only where one is named."""
    PRUNE = "prune"
    FORGET = "forget"
    """Remove rows of sessions that ended long ago."""
    VERIFY = "verify"
    """Hold the audit trail against its seals: each night the new events, each week all."""


SHARED = frozenset({Chore.COMPARE, Chore.SEAL, Chore.SHIP, Chore.PRUNE, Chore.FORGET, Chore.VERIFY})
"""Done by one housekeeper at a time: to do them twice would cost twice. The others cost nothing
where nothing is to be done, and each housekeeper does them in each round."""
BY_TIME = frozenset({Chore.EXPIRE, Chore.PRUNE, Chore.FORGET})
"""End or remove what only its time has ended: not by a clock that nobody else shares."""
LEASE = timedelta(seconds=60)
"""Whoever has not gone on for so long is dead, and another takes over; a piece takes seconds."""
LEAST_LATE = timedelta(minutes=2)
_TIMES_LATE = 3
VERIFIED_EVERY = timedelta(hours=22)
"""From the end of one to the beginning of the next: it may itself take four hours."""
VERIFIED_WITHIN = timedelta(hours=26)
_LATE = {Chore.VERIFY: VERIFIED_WITHIN}
_SKEW = timedelta(minutes=1)
"""A time further ahead was written by a wrong clock, and keeps nobody from anything."""


@dataclass(frozen=True)
class Turn:
    """What the table says of a chore."""

    started_at: datetime | None = None
    held_by: str | None = None
    succeeded_at: datetime | None = None
    mark: int | None = None


def intervals(*, seal: timedelta, sign: timedelta, ships: bool = False) -> dict[Chore, timedelta]:
    """Return how often each chore is done; what is not done at all is not in it."""
    second, hour = timedelta(seconds=1), timedelta(hours=1)
    every = {
        Chore.EXPIRE: second,
        Chore.PUBLISH: second,
        Chore.COMPARE: timedelta(minutes=5),
        Chore.SEAL: seal,
        Chore.SIGN: sign,
        Chore.SHIP: timedelta(seconds=30),
        Chore.PRUNE: hour,
        Chore.FORGET: hour,
        Chore.VERIFY: VERIFIED_EVERY,
    }
    return {chore: often for chore, often in every.items() if ships or chore is not Chore.SHIP}


def is_due(turn: Turn, every: timedelta, me: str, now: datetime) -> bool:
    """Say whether `me` may take a shared chore up, or go on with it."""
    if turn.held_by == me or turn.started_at is None:
        return True
    rest = every if turn.held_by is None else LEASE
    return not now - rest < turn.started_at <= now + _SKEW


def late_after(every: timedelta) -> timedelta:
    """Return how old a chore's last success may be."""
    return max(_TIMES_LATE * every, LEAST_LATE)


def late_chores(
    turns: Mapping[Chore, Turn], every: Mapping[Chore, timedelta], now: datetime
) -> dict[Chore, datetime | None]:
    """Return the chores that nobody has done for too long, and when each was last; None: never."""
    late: dict[Chore, datetime | None] = {}
    for chore in every:
        at = turns.get(chore, Turn()).succeeded_at
        least = now - _LATE.get(chore, late_after(every[chore]))
        if at is None or not least <= at <= now + _SKEW:
            late[chore] = at
    return late
