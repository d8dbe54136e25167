"""What a worker remembers of ended sessions: `sid -> from when it is refused`, and why.

Only sessions of which an access token may still be alive: no access token lives longer than an
hour, so older entries go. Where there are many they are packed: 8 bytes a session.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from .packed import PackedSids, fingerprint

KEEP_SECONDS = 65 * 60
"""The longest access token, the largest leeway, and some."""
BULK = 100
"""More than this many sessions that end in one change are packed at once."""
MANY = 10_000
"""More than this many single entries are packed, too, but for ends that may lie ahead."""
_AT_ONCE = 500
_SLICE_SECONDS = 300


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
    """Lookups may run beside writers without a lock: each step is one dict or tuple operation.

    One thread learns, forgets and tidies; others may add.
    """

    def __init__(self) -> None:
        self._single: dict[str, Refusal] = {}
        self._packed: dict[tuple[int, str], PackedSids] = {}
        """By the five minutes in which they ended, and the reason."""

    def __len__(self) -> int:
        return len(self._single) + sum(len(block) for block in list(self._packed.values()))

    def find(self, sid: str, now: float) -> str | None:
        """Return why `sid` is refused at `now`, or None."""
        refusal = self._single.get(sid)
        if refusal is not None and refusal.holds(now):
            return refusal.reason
        if self._packed:
            packed = fingerprint(sid)
            for (_, reason), block in list(self._packed.items()):
                if packed in block:
                    return reason
        return None

    def add(self, sid: str, refuse_from: float, reason: str, *, ended: bool = False) -> None:
        """Remember a session that is over, or (not `ended`) one whose end may lie ahead."""
        self._single[sid] = Refusal(refuse_from, reason, ended)

    def learn(self, sid: str, refusal: Refusal, now: float) -> None:
        """Add it, unless it would revive whom this worker refuses already.

        A database restored from a backup may know a later end than was seen before.
        """
        known = self._single.get(sid)
        if known is None or refusal.holds(now) or not known.holds(now):
            self._single[sid] = refusal

    def pack(self, fingerprints: Collection[int], refuse_from: float, reason: str) -> None:
        """Remember many, a thousand or so at a time. They are refused at once, never later."""
        key = int(refuse_from // _SLICE_SECONDS), reason
        self._packed.setdefault(key, PackedSids()).add(fingerprints)

    def withdraw(self, sid: str, now: float) -> None:
        """Forget an end that still lay ahead (a shift extended). What has ended stays ended."""
        refusal = self._single.get(sid)
        if refusal is not None and not refusal.holds(now):
            self._single.pop(sid, None)

    def withdraw_all_but(self, ahead: Collection[str], now: float) -> None:
        """Forget every end that still lies ahead, but for these."""
        for sid in [sid for sid in list(self._single) if sid not in ahead]:
            self.withdraw(sid, now)

    def prune(self, now: float) -> None:
        """Forget sessions of which every access token has expired."""
        oldest = now - KEEP_SECONDS
        for sid, refusal in list(self._single.items()):
            if refusal.refuse_from < oldest:
                self._single.pop(sid, None)
        for key in list(self._packed):
            if (key[0] + 1) * _SLICE_SECONDS < oldest:
                del self._packed[key]

    def tidy(self, *, whole: bool = False) -> Iterator[None]:
        """Keep it small and quick, in steps of a millisecond; `whole`: without doubles."""
        if len(self._single) > MANY:
            yield from self._pack_singles()
        for block in list(self._packed.values()):
            yield from block.tidy(whole=whole)

    def _pack_singles(self) -> Iterator[None]:
        over = iter([sid for sid, refusal in list(self._single.items()) if refusal.ended])
        while sids := list(islice(over, _AT_ONCE)):
            alike: dict[tuple[float, str], list[str]] = defaultdict(list)
            for sid in sids:
                refusal = self._single[sid]
                slice_start = refusal.refuse_from // _SLICE_SECONDS * _SLICE_SECONDS
                alike[slice_start, refusal.reason].append(sid)
            for (start, reason), some in alike.items():
                self.pack([fingerprint(sid) for sid in some], start, reason)
            for sid in sids:  # only now: it is always found in one of the two
                self._single.pop(sid, None)
            yield
