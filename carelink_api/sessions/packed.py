"""Very many session ids in 8 bytes each: sorted runs of fingerprints.

A run never changes once it can be seen; who adds or merges puts another tuple of runs in its place
in one step, so that lookups need no lock. Merging goes in steps of a fraction of a millisecond,
between which other threads may run.
"""

import base64
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from struct import Struct
from typing import TypeAlias

SID_LENGTH = 22
FILLER = "AA"
"""Between the sids of a text: 24 characters are 18 bytes, whole bytes without padding."""
_RECORD = SID_LENGTH + len(FILLER)
_FIRST_8_OF_18 = Struct(">Q10x")
_FANOUT = 4
"""So many runs of about one length become one: few to look through, and none is merged often."""
_AT_MOST = 16
"""No more runs are merged at once: of a thousand each step would hold the interpreter for long."""
_STEP = 2000
"""Sessions in a step, at most, of all runs together."""
Run: TypeAlias = "array[int]"


def fingerprint(sid: str) -> int:
    """Return the first 64 of a `sid`'s 128 random bits; nobody but us chooses them."""
    return int.from_bytes(base64.urlsafe_b64decode(sid[:12])[:8], "big")


def fingerprints(spelled: str) -> list[int]:
    """Return those of many, which stand in one text, each followed by the filler."""
    return [each for (each,) in _FIRST_8_OF_18.iter_unpack(base64.urlsafe_b64decode(spelled))]


def split(spelled: str) -> list[str]:
    """Return the sids of such a text."""
    starts = range(0, len(spelled), _RECORD)
    return [spelled[start : start + SID_LENGTH] for start in starts]


class PackedSids:
    """A set of fingerprints that only grows."""

    def __init__(self) -> None:
        self._runs: tuple[Run, ...] = ()
        self._changing = threading.Lock()

    def __len__(self) -> int:
        """Return how many there are; what came twice counts once as soon as it is merged."""
        return sum(map(len, self._runs))

    def __contains__(self, fingerprint: int) -> bool:
        for run in self._runs:
            at = bisect_left(run, fingerprint)
            if at < len(run) and run[at] == fingerprint:
                return True
        return False

    def add(self, many: Collection[int]) -> None:
        """Add a thousand or so: they are sorted in one step."""
        run: Run = array("Q", sorted(many))
        with self._changing:
            self._runs = (*self._runs, run)

    def tidy(self, *, whole: bool = False) -> Iterator[None]:
        """Merge runs where there are several of one length, or (`whole`) all of them; step by step.

        One caller at a time, who may also stop half-way: then nothing has changed.
        """
        while len(runs := self._shortest() if whole else self._crowded()) > 1:
            merged: Run = array("Q")
            for part in _in_order(runs):
                merged.extend(part)
                yield
            gone = set(map(id, runs))
            with self._changing:
                self._runs = (*(run for run in self._runs if id(run) not in gone), merged)

    def _shortest(self) -> Sequence[Run]:
        return sorted(self._runs, key=len)[:_AT_MOST]

    def _crowded(self) -> Sequence[Run]:
        by_size: dict[int, list[Run]] = defaultdict(list)
        for run in self._runs:
            by_size[len(run).bit_length() // 2].append(run)
        return next((runs[:_AT_MOST] for runs in by_size.values() if len(runs) >= _FANOUT), ())


def _in_order(runs: Sequence[Run]) -> Iterator[Collection[int]]:
    """Yield what the runs hold, in order, each once, some hundred of each run at a time."""
    starts, step = [0] * len(runs), _STEP // len(runs)
    while some := [(at, run) for at, run in enumerate(runs) if starts[at] < len(run)]:
        upto = min(run[min(starts[at] + step, len(run)) - 1] for at, run in some)
        part: list[int] = []
        for at, run in some:
            end = bisect_right(run, upto, starts[at])
            part += run[starts[at] : end]
            starts[at] = end
        part.sort()
        yield dict.fromkeys(part)
