"""Verifications of the trail, one after the other: what each has come to, and what the next is for.

Pure. Every night the chain is followed from its beginning, and what was sealed since the last time
is looked into; once a week every event is. What was reached is vouched for by the trail's key: it
stands in the database, and nobody else shall say of events that they were verified.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .canonical import canonical, moment
from .chain import GENESIS, GROWN, Statement
from .faults import Found

WHOLE_EVERY = timedelta(days=6, hours=12)
"""Less than a week, since the nights drift."""
GIVEN_UP_AFTER = timedelta(days=3)
"""A verification that has gone on for so long is begun anew."""
FAULTS_KEPT = 20
_PASS = b"carelink-audit-verification-1\0"
Told = dict[str, Any]


@dataclass(frozen=True)
class Pass:
    """One verification: how far it is, and what it has found."""

    whole: bool
    """Every event is looked into, not only the new ones."""
    actor: str
    began_at: datetime
    finished_at: datetime | None
    through_block: int
    """The events are verified up to and with this block; those before, by this or a former one."""
    last_seq: int
    head: bytes
    events: int
    """How many events were held against what was sealed."""
    found: int
    faults: list[Told]
    """The first of what was found."""
    key_id: str

    def signed_bytes(self) -> bytes:
        told = {
            "whole": self.whole,
            "actor": self.actor,
            "began_at": moment(self.began_at),
            "finished_at": self.finished_at and moment(self.finished_at),
            "through_block": self.through_block,
            "last_seq": self.last_seq,
            "head": self.head.hex(),
            "events": self.events,
            "found": self.found,
            "faults": self.faults,
            "key_id": self.key_id,
        }
        return _PASS + canonical(told)

    def reached(self) -> list[Statement]:
        """Return what it knows of the chain; nothing before its first block."""
        if not self.through_block:
            return []
        at = self.finished_at or self.began_at
        return [Statement(GROWN, self.through_block, self.last_seq, self.head, at, self.key_id)]

    def with_faults(self, found: Sequence[Found]) -> "Pass":
        """Return it with what was found, too; what it knows already counts once."""
        told = [as_told(each) for each in found]
        new = [each for each in told if each not in self.faults]
        kept = [*self.faults, *new][:FAULTS_KEPT]
        return replace(self, found=max(self.found, len(self.faults) + len(new)), faults=kept)


def as_told(found: Found) -> Told:
    """Return a fault as it is stored."""
    return {
        "fault": str(found.fault),
        "block": found.block,
        "seq": found.seq,
        "event_id": found.event_id,
        "says": str(found),
    }


def first_pass(actor: str, key_id: str, now: datetime) -> Pass:
    """Return the beginning of a whole one."""
    return Pass(True, actor, now, None, 0, 0, GENESIS, 0, 0, [], key_id)


def next_pass(known: Sequence[Pass], actor: str, key_id: str, now: datetime) -> Pass:
    """Return the pass to go on with, or a new one, by those that there were, the newest first.

    What has found something is followed by whole ones, until one finds nothing.
    """
    lately = [each for each in known if each.began_at <= now]
    if lately and lately[0].finished_at is None and lately[0].began_at > now - GIVEN_UP_AFTER:
        return lately[0]
    done = [each for each in lately if each.finished_at is not None]
    of_late = any(each.whole and each.began_at > now - WHOLE_EVERY for each in done)
    if not of_late or done[0].found:
        return first_pass(actor, key_id, now)
    last = done[0]
    return replace(last, whole=False, actor=actor, began_at=now, finished_at=None, events=0)
