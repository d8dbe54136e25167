"""The message that sessions have ended, and what a worker makes of it: doubt, and nothing more.

A message refuses nobody, for anybody who writes to Redis could have sent it. It only makes a worker
that answers from memory ask Redis about these sessions until it has looked into SQL again. So one
that is forged, late, doubled or lost does no harm (`docs/decisions/21-denylist-check.md`).
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

CHANNEL = "carelink:ended"
MOST_DOUBTS = 50_000
"""With more of them at once a worker doubts everybody instead: memory stays bounded."""
_SID_LENGTH = 22


@dataclass(frozen=True)
class Hint:
    """Sessions said to have ended, and when (epoch seconds)."""

    at: float
    sids: tuple[str, ...]

    def as_message(self) -> str:
        return f"{self.at:.3f} {' '.join(self.sids)}"


def read_hint(message: bytes) -> Hint | None:
    """Return what a message says; None for what none of us has written."""
    try:
        at, *sids = message.decode("ascii").split(" ")
        hint = Hint(float(at), tuple(sids))
    except ValueError:
        return None
    good = sids and math.isfinite(hint.at) and all(len(sid) == _SID_LENGTH for sid in sids)
    return hint if good else None


class Doubts:
    """Sessions of which memory may not hold yet what a worker was told.

    A doubt lasts until memory rests on a look into SQL that began after it. One thread writes;
    looks may run beside it without a lock. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[str, float] = OrderedDict()
        """Oldest first."""
        self._everybody_since = -math.inf

    def __len__(self) -> int:
        return len(self._since)

    def add(self, sids: Sequence[str], now: float) -> None:
        if len(self._since) + len(sids) > MOST_DOUBTS:
            self.add_everybody(now)
            return
        for sid in sids:
            self._since[sid] = now  # in place: at no moment it goes undoubted
            self._since.move_to_end(sid)

    def add_everybody(self, now: float) -> None:
        self._everybody_since = now  # first: between the two nobody must go undoubted
        self._since.clear()

    def about(self, sid: str, read_at: float) -> bool:
        """Return whether memory that rests on a look begun at `read_at` may be wrong on `sid`."""
        return self._everybody_since >= read_at or self._since.get(sid, -math.inf) >= read_at

    def forget(self, read_at: float) -> None:
        """Drop what a look begun at `read_at` has settled."""
        while self._since:
            sid = next(iter(self._since))
            if self._since[sid] >= read_at:
                return
            del self._since[sid]
