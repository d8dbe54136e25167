"""What `audit verify` can find, and how it says it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Fault(StrEnum):
    ALTERED = "altered"
    REORDERED = "reordered"
    MISSING = "missing"
    INSERTED = "inserted"
    UNSEALED = "unsealed"
    PURGE_FORGED = "purge_forged"
    SEALED_TWICE = "sealed_twice"
    ERASED_UNTOLD = "erased_untold"
    BLOCK_MISSING = "block_missing"
    BLOCK_ALTERED = "block_altered"
    REWRITTEN = "rewritten"
    UNKNOWN_KEY = "unknown_key"
    UNADOPTED = "unadopted"
    FORKED = "forked"
    CUT = "cut"
    CHECKPOINT_FORGED = "checkpoint_forged"
    CHECKPOINTS_GONE = "checkpoints_gone"


MEANING: dict[Fault, str] = {
    Fault.ALTERED: "An event is not what was sealed.",
    Fault.REORDERED: "An event stands where another one was sealed.",
    Fault.MISSING: "An event that was sealed is not there.",
    Fault.INSERTED: "An event was written an hour or more after the time that it bears.",
    Fault.UNSEALED: "Events wait for their seal: nobody seals, or somebody prevents it.",
    Fault.PURGE_FORGED: "What is said to be left of removed events was not written by the key.",
    Fault.SEALED_TWICE: "Two blocks hold the same event.",
    Fault.ERASED_UNTOLD: "An event was erased, and no event tells of it.",
    Fault.BLOCK_MISSING: "Blocks are missing, and no purge tells of it.",
    Fault.BLOCK_ALTERED: "A block does not fit its own hash, or its events.",
    Fault.REWRITTEN: "A block was written by somebody without the key.",
    Fault.UNKNOWN_KEY: "The newest blocks were sealed by a key that is not here.",
    Fault.UNADOPTED: "The first blocks were sealed by keys that are not here, and nothing that is"
    " signed vouches for them.",
    Fault.FORKED: "The chain is another one than a checkpoint tells of.",
    Fault.CUT: "The trail ends before a checkpoint: it was cut, or an old backup was restored.",
    Fault.CHECKPOINT_FORGED: "A checkpoint's signature is not good.",
    Fault.CHECKPOINTS_GONE: "The file of checkpoints outside cannot be read.",
}


@dataclass(frozen=True)
class Found:
    """One fault, and where it is."""

    fault: Fault
    block: int | None = None
    seq: int | None = None
    event_id: int | None = None
    more: str = ""

    def __str__(self) -> str:
        places = (("seq", self.seq), ("event", self.event_id), ("block", self.block))
        where = ", ".join(f"{name} {at}" for name, at in places if at is not None)
        said = MEANING[self.fault] + (f" {self.more}" if self.more else "")
        return f"{said} ({where})" if where else said


@dataclass
class Report:
    """What a verification has looked at, and found."""

    events: int = 0
    blocks: int = 0
    first_seq: int | None = None
    last_seq: int = 0
    unsealed: int = 0
    erased: int = 0
    purged: int = 0
    """Events that retention has removed and of which the digests are left."""
    checkpoints: int = 0
    outside: int = 0
    """Checkpoints outside the database that the trail was held against."""
    unknown_keys: int = 0
    """Blocks whose own key is not here; a later seal vouches for them."""
    known_since: datetime | None = None
    """Where there are such: when the first block after them was sealed."""
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    faults: list[Found] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults
