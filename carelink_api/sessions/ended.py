"""What a worker remembers of ended sessions: `sid -> from when it is refused`.

Only sessions of which an access token may still be alive: no access token lives longer than an
hour, so older entries go. Bulk revocations are packed: 8 bytes a session and what the
buckets take.
"""

import base64
from array import array
from dataclasses import dataclass

from .reasons import EndReason

KEEP_SECONDS = 65 * 60
"""The longest access token, the largest leeway, and some."""
BULK = 100
"""More than this many sessions in one change are packed; their reasons are all `revoked`."""
_SLICE_SECONDS = 300
_BUCKETS = 1 << 14


@dataclass(frozen=True, slots=True)
class Refusal:
    """From when a session is refused (epoch seconds), and why."""

    refuse_from: float
    reason: str
    ended: bool
    """It is over, whatever this machine's clock says: another one's may be ahead of it."""

    def holds(self, now: float) -> bool:
        return self.ended or self.refuse_from <= now


class EndedSessions:
    """Lookups may run beside one writer without a lock: each step is one dict or list operation."""

    def __init__(self) -> None:
        self._single: dict[str, Refusal] = {}
        self._packed: dict[int, _Packed] = {}

    def __len__(self) -> int:
        return len(self._single) + sum(len(block) for block in list(self._packed.values()))

    def find(self, sid: str, now: float) -> str | None:
        """Return why `sid` is refused at `now`, or None."""
        refusal = self._single.get(sid)
        if refusal is not None and refusal.holds(now):
            return refusal.reason
        if self._packed:
            fingerprint = _fingerprint(sid)
            if any(fingerprint in block for block in list(self._packed.values())):
                return EndReason.REVOKED
        return None

    def add(self, sid: str, refuse_from: float, reason: str, *, ended: bool = False) -> None:
        """Remember a session that is over, or (not `ended`) one whose end may lie ahead."""
        self._single[sid] = Refusal(refuse_from, reason, ended)

    def add_packed(self, sid: str, refuse_from: float) -> None:
        """Remember one of very many. They are refused at once: nothing packed may lie ahead."""
        slice_number = int(refuse_from // _SLICE_SECONDS)
        block = self._packed.get(slice_number)
        if block is None:
            block = self._packed[slice_number] = _Packed()
        block.add(_fingerprint(sid))

    def withdraw(self, sid: str, now: float) -> None:
        """Forget an end that still lay ahead (a shift extended). What has ended stays ended."""
        refusal = self._single.get(sid)
        if refusal is not None and not refusal.holds(now):
            self._single.pop(sid, None)

    def prune(self, now: float) -> None:
        """Forget sessions of which every access token has expired."""
        oldest = now - KEEP_SECONDS
        for sid, refusal in list(self._single.items()):
            if refusal.refuse_from < oldest:
                self._single.pop(sid, None)
        for slice_number in list(self._packed):
            if (slice_number + 1) * _SLICE_SECONDS < oldest:
                del self._packed[slice_number]

    def keep_refused_of(self, other: "EndedSessions", now: float) -> None:
        """Take over what `other` refuses already: a database restored from a backup forgets it."""
        for sid, refusal in list(other._single.items()):
            mine = self._single.get(sid)
            if refusal.holds(now) and (mine is None or not mine.holds(now)):
                self._single[sid] = refusal
        for slice_number, block in list(other._packed.items()):
            self._packed.setdefault(slice_number, _Packed()).merge(block)


class _Packed:
    """64-bit fingerprints in small unsorted buckets: adding is cheap, a look reads one bucket."""

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in list(self._buckets.values()))

    def __contains__(self, fingerprint: int) -> bool:
        bucket = self._buckets.get(fingerprint % _BUCKETS)
        return bucket is not None and fingerprint in bucket

    def add(self, fingerprint: int) -> None:
        if fingerprint not in self:
            self._buckets.setdefault(fingerprint % _BUCKETS, array("Q")).append(fingerprint)

    def merge(self, other: "_Packed") -> None:
        for bucket in list(other._buckets.values()):
            for fingerprint in bucket:
                self.add(fingerprint)


def _fingerprint(sid: str) -> int:
    """Return the first 64 of a `sid`'s 128 random bits; nobody but us chooses them."""
    return int.from_bytes(base64.urlsafe_b64decode(sid[:12])[:8], "big")
