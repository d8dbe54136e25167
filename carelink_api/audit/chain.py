"""How events hang together: ids in ranges, the hash of a block, what a seal and a checkpoint say.

Pure. A block's head is an unkeyed hash over the block and the head before it, so that a later seal,
by another key, vouches for everything before it; its seal is an HMAC of that head.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from .canonical import canonical, moment

BLOCK_EVENTS = 1000
GROWN, PRUNED = "grown", "pruned"
"""What a checkpoint tells of: an end of the chain, or where it begins since a purge."""
MARK_BYTES = 8
GENESIS = sha256(b"carelink-audit-1").digest()
"""What the first block follows."""
_BLOCK = b"carelink-audit-block-1\0"
_SEAL = b"carelink-audit-seal-1\0"
_PURGE = b"carelink-audit-purge-1\0"
_CHECKPOINT = b"carelink-audit-checkpoint-1\0"

Range = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """What a block says of itself, but for its head and its seal."""

    number: int
    first_seq: int
    size: int
    ids: str
    marks: bytes
    root: bytes
    previous: bytes
    sealed_at: datetime
    key_id: str

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.size - 1

    def event_ids(self) -> list[int]:
        """Return which events it holds.

        Raises ValueError for more or less than it says, before a forged range of billions is
        written out.
        """
        counts = [last - first + 1 for first, last in read_ranges(self.ids)]
        if min(counts) < 1 or sum(counts) != self.size or self.size > BLOCK_EVENTS:
            raise ValueError("these are not the ids of a block")
        return read_ids(self.ids)

    def head(self) -> bytes:
        """Return the hash of all that was ever sealed, up to and with this block."""
        told = {
            "number": self.number,
            "first_seq": self.first_seq,
            "size": self.size,
            "ids": self.ids,
            "marks": self.marks.hex(),
            "root": self.root.hex(),
            "previous": self.previous.hex(),
            "sealed_at": moment(self.sealed_at),
            "key_id": self.key_id,
        }
        return sha256(_BLOCK + canonical(told)).digest()


@dataclass(frozen=True)
class Statement:
    """What a checkpoint says: so far had the trail got, at that time."""

    kind: str
    block: int
    seq: int
    head: bytes
    made_at: datetime
    key_id: str

    def signed_bytes(self) -> bytes:
        told = {
            "kind": self.kind,
            "block": self.block,
            "seq": self.seq,
            "head": self.head.hex(),
            "made_at": moment(self.made_at),
            "key_id": self.key_id,
        }
        return _CHECKPOINT + canonical(told)


@dataclass(frozen=True)
class Purge:
    """What is left of the events of a class that were removed from a block: their digests."""

    block: int
    retention_class: str
    ids: str
    """In ascending order; empty where the block held none."""
    digests: bytes
    purged_at: datetime
    key_id: str

    def event_ids(self) -> list[int]:
        return read_ids(self.ids) if self.ids else []

    def kept(self) -> dict[int, bytes]:
        """Return the digest of each event that was removed."""
        parts = [self.digests[at : at + 32] for at in range(0, len(self.digests), 32)]
        return dict(zip(self.event_ids(), parts, strict=True))

    def signed_bytes(self) -> bytes:
        told = {
            "block": self.block,
            "retention_class": self.retention_class,
            "ids": self.ids,
            "digests": self.digests.hex(),
            "purged_at": moment(self.purged_at),
            "key_id": self.key_id,
        }
        return _PURGE + canonical(told)


def seal(mac_key: bytes, head: bytes) -> bytes:
    """Return what only who has the key can write under a head."""
    return hmac.digest(mac_key, _SEAL + head, "sha256")


def root(digests: Iterable[bytes]) -> bytes:
    return sha256(b"".join(digests)).digest()


def marks(digests: Iterable[bytes]) -> bytes:
    return b"".join(each[:MARK_BYTES] for each in digests)


def mark_at(marked: bytes, index: int) -> bytes:
    return marked[index * MARK_BYTES : (index + 1) * MARK_BYTES]


def spell_ids(ids: Sequence[int]) -> str:
    """Return `7-9,12` for 7, 8, 9, 12: the order is kept."""
    return ",".join(f"{a}-{b}" if b > a else str(a) for a, b in _runs(ids))


def read_ranges(spelled: str) -> list[Range]:
    """Return the ranges of `spell_ids`. Raises ValueError."""
    found = []
    for part in spelled.split(","):
        first, _, last = part.partition("-")
        found.append((int(first), int(last or first)))
    return found


def read_ids(spelled: str) -> list[int]:
    """Return what `spell_ids` was given. Raises ValueError."""
    return [each for first, last in read_ranges(spelled) for each in range(first, last + 1)]


def without(open_: Sequence[Range], ids: Iterable[int]) -> list[Range]:
    """Return what is left of ranges (in order, apart) when those ids are taken out."""
    left: list[Range] = []
    taken = iter(sorted(ids))
    next_ = next(taken, None)
    for first, last in open_:
        while next_ is not None and next_ <= last:
            if next_ > first:
                left.append((first, next_ - 1))
            first = max(first, next_ + 1)
            next_ = next(taken, None)
        if first <= last:
            left.append((first, last))
    return left


def _runs(ids: Sequence[int]) -> Iterator[Range]:
    start = end = ids[0]
    for each in ids[1:]:
        if each == end + 1:
            end = each
        else:
            yield start, end
            start = end = each
    yield start, end
