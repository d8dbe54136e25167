"""What the model of the promise consists of: its rules, and all that may be so at one moment."""

from dataclasses import dataclass
from typing import NamedTuple

SECOND = 2
"""Ticks. With two a pulse can be new, older, or too old."""


@dataclass(frozen=True)
class Rules:
    """How the system works. By default as designed; each field can break one of its rules."""

    own: bool = True
    """The worker that is asked is the one that ends the session."""
    memory: bool = False
    """It may answer from memory alone."""
    beside: bool = True
    """Another ending runs beside: nine times as many states."""
    numbers_commit_in_order: bool = True
    commit_before_publishing: bool = True
    done_means_taken: bool = True
    """`pending` is said where Redis did not take it."""
    counter_before_rows: bool = True
    """The pulse reads the counter first: what commits in between is read twice, not never."""
    whole_after_an_error: bool = True
    """Else a beat that fails after the counter has lost what came since the one before."""
    first_read_is_whole: bool = True
    age_from_start: bool = True
    look_when_stale: bool = True
    """Also where Redis answers."""
    ask_memory_again: bool = True
    ask_redis: bool = True
    alone_while_fresh: bool = True
    """Memory answers alone only while the pulse is young."""
    alone_before_memory: bool = True
    """Whether it may is asked before memory is: else memory could be older than the answer."""
    doubt_outlives_beats_begun: bool = True
    """A beat that began before a message does not settle what the message said."""
    doubt_when_listening_begins: bool = True


class Ending(NamedTuple):
    """An ending: idle, numbered, committed, answered; or never answered, as its worker died."""

    step: str = "idle"
    number: int = 0
    age: int = 0
    """Since it was answered."""
    intact: bool = False
    """Answered as done, and Redis has lost nothing since."""
    on_the_way: bool = False
    """Its message, to a worker that listens."""

    @property
    def is_committed(self) -> bool:
        return self.step in ("committed", "answered", "unanswered")


class Beat(NamedTuple):
    """A look into SQL on its way."""

    since: int | None
    """The newest change before it; None for a whole read."""
    age: int = 0
    newest: int | None = None
    has_rows: bool = False
    settles: bool = True
    """All that the worker doubts was said before it began."""


class Worker(NamedTuple):
    """Its memory of the session and its pulse."""

    remembers: bool = False
    seen: int | None = None
    age: int = SECOND
    """Of the last good read; too old before the first."""
    beat: Beat | None = None
    hears: bool = False
    doubts: bool = False
    told: bool = False
    """It has heard of the session's end, or knows that it could not hear."""


class Request(NamedTuple):
    """The guard has asked memory, and goes on: what was promised when it set out."""

    step: str
    """What it asks next: redis, pulse, or (it waits for one) look."""
    redis_due: bool
    second_due: bool
    redis_answers: bool
    alone: bool = False
    """Memory may answer alone, by what was so when it was asked."""


class State(NamedTuple):
    """Everything: SQL, Redis, the two endings, the worker and what it is asked."""

    counter: int = 0
    first: Ending = Ending()
    other: Ending = Ending()
    listed: bool = False
    redis_up: bool = True
    worker: Worker = Worker()
    request: Request | None = None
