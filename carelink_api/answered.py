"""What is told of every answered request, its log line and its place in the metrics.

In batches and a moment later, by a thread of its own. To write a line lets go of the interpreter,
and in a busy worker another request has it then, and runs to its end before this one goes on. So a
log that nobody empties holds up nobody, either.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from . import metrics
from .stopping import at_end

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.05
MOST = 20_000
"""Of those that wait: several seconds of a busy worker."""
_AT_ONCE = 500


class Answered(NamedTuple):
    """What is told of one."""

    at: datetime
    seconds: float
    method: str
    route: str
    status: int
    request_id: str


class Telling:
    """Tells at once, until `run` was called: then that thread tells."""

    def __init__(self, write: Callable[[Sequence[dict[str, Any]]], None]) -> None:
        self._write = write
        """Writes a log line for each event."""
        self._waiting: deque[Answered] = deque()
        self._lost = 0
        self._some = threading.Event()
        self._telling = threading.Lock()
        self.note: Callable[[Answered], None] = self._tell_at_once

    def run(self) -> None:
        """Tell for ever what is noted from now on, and the rest when the process ends."""
        self.note = self._keep
        at_end(self.tell)
        while True:
            self._some.wait()
            time.sleep(GATHER_SECONDS)
            self._some.clear()  # first: who comes later sets it again
            try:
                self.tell()
            except Exception:  # the thread must outlive whatever a stream throws
                log.exception("telling_crashed")

    def tell(self) -> None:
        """Tell of all that wait."""
        with self._telling:
            while self._waiting:
                count = min(len(self._waiting), _AT_ONCE)
                self._tell([self._waiting.popleft() for _ in range(count)])
            if lost := self._lost:
                self._lost = 0
                log.warning("answers_not_told", requests=lost)

    def _keep(self, answered: Answered) -> None:
        if len(self._waiting) >= MOST:
            self._lost += 1  # the line; it counts all the same
            metrics.observe_request(
                answered.method, answered.route, answered.status, answered.seconds
            )
            return
        self._waiting.append(answered)
        if not self._some.is_set():
            self._some.set()

    def _tell_at_once(self, answered: Answered) -> None:
        self._tell([answered])

    def _tell(self, batch: Sequence[Answered]) -> None:
        for each in batch:
            metrics.observe_request(each.method, each.route, each.status, each.seconds)
        metrics.count_guarded()
        self._write([_line(each) for each in batch])


def _line(answered: Answered) -> dict[str, Any]:
    return {
        "event": "request",
        "level": "info",
        "timestamp": answered.at,
        "method": answered.method,
        "route": answered.route,
        "status": answered.status,
        "ms": round(answered.seconds * 1000, 2),
        "request_id": answered.request_id,
    }
