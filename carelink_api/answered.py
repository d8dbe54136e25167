"""What is told of every answered request, its place in the metrics and its log line.

In batches and a moment later, by threads of their own. To write a line lets go of the interpreter,
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
"""Of lines that wait: several seconds of a busy worker."""
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
    """Tells at once, until `run` was called: then its threads tell, one counts and one writes.

    Two, since a log that nobody empties must not keep numbers from whoever scrapes them, in this
    worker or in another.
    """

    def __init__(self, write: Callable[[Sequence[dict[str, Any]]], None]) -> None:
        self._write = write
        """Writes a log line for each event."""
        self._waiting: deque[Answered] = deque()
        """Not counted yet."""
        self._lines: deque[Answered] = deque()
        """Counted, and not written yet."""
        self._lost = 0
        self._some, self._to_write = threading.Event(), threading.Event()
        self._counting, self._writing = threading.Lock(), threading.Lock()
        self._writer: threading.Thread | None = None
        self.note: Callable[[Answered], None] = self._tell_at_once

    def run(self) -> None:
        """Tell for ever what is noted from now on, and the rest when the process ends."""
        self.note = self._keep
        at_end(self.tell)
        while True:
            self._some.wait()
            time.sleep(GATHER_SECONDS)
            self._some.clear()  # first: who comes later sets it again
            self._survive(self._hand_on)

    def tell(self) -> None:
        """Tell of all that wait."""
        self._count()
        self._write_lines()

    def _hand_on(self) -> None:
        self._count()
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=self._write_for_ever, daemon=True)
            self._writer.start()
        self._to_write.set()

    def _write_for_ever(self) -> None:
        while True:
            self._to_write.wait()
            self._to_write.clear()
            self._survive(self._write_lines)

    def _survive(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:  # the thread must outlive whatever a stream throws
            log.exception("telling_crashed")

    def _keep(self, answered: Answered) -> None:
        self._waiting.append(answered)
        if not self._some.is_set():
            self._some.set()

    def _tell_at_once(self, answered: Answered) -> None:
        self._waiting.append(answered)
        self.tell()

    def _count(self) -> None:
        """Count what nobody has counted; of more lines than may wait the youngest are lost."""
        with self._counting:
            while self._waiting:
                each = self._waiting.popleft()
                metrics.observe_request(each.method, each.route, each.status, each.seconds)
                if len(self._lines) < MOST:
                    self._lines.append(each)
                else:
                    self._lost += 1
            metrics.count_guarded()

    def _write_lines(self) -> None:
        with self._writing:
            while self._lines:
                count = min(len(self._lines), _AT_ONCE)
                self._write([_line(self._lines.popleft()) for _ in range(count)])
            with self._counting:
                lost, self._lost = self._lost, 0
            if lost:
                log.warning("answers_not_told", requests=lost)


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
