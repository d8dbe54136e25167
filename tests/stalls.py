"""When the machine has kept this process waiting: what a worker may answer badly because of it."""

import threading
import time
from typing import Self

_STEP_SECONDS = 0.01
_TOO_LONG_SECONDS = 0.05
"""Redis has to answer a worker within twice this time."""
_BEFORE_SECONDS = 0.5
"""Whoever makes the machine busy meets one process a little sooner than another."""
_AFTER_SECONDS = 2.0
"""By then a worker's pulse, which beats twice a second, has read again."""


class Stalls:
    """Watches, from `with` until its end, for pauses in which nothing of this process ran."""

    def __init__(self) -> None:
        self._pauses: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def excuses(self, status: int, sent_at: float, ended_at: float) -> bool:
        """Return whether an answer is one of a worker that got no time itself.

        With one store broken and the machine too busy for the other, 503 is the right answer: then,
        and until the worker has looked again.
        """
        return status == 503 and any(
            sent_at <= end + _AFTER_SECONDS and ended_at >= begin - _BEFORE_SECONDS
            for begin, end in self._pauses
        )

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(_STEP_SECONDS):
            now = time.monotonic()
            if now - before - _STEP_SECONDS > _TOO_LONG_SECONDS:
                self._pauses.append((before, now))
            before = now
