"""How long the machine has kept this process waiting: what a measured time may be longer by."""

import threading
import time
from typing import Self

_STEP_SECONDS = 0.01
_TOO_LONG_SECONDS = 0.05
"""Redis has to answer a worker within twice this time."""


class Stalls:
    """Watches, from `with` until its end, for pauses in which nothing of this process ran."""

    def __init__(self) -> None:
        self.longest = 0.0
        """In seconds."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def excused(self) -> set[int]:
        """The statuses with which a worker may have answered because it got no time itself.

        With one store broken and the machine too busy for the other, 503 is the right answer.
        """
        return {503} if self.longest > _TOO_LONG_SECONDS else set()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(_STEP_SECONDS):
            now = time.monotonic()
            self.longest = max(self.longest, now - before - _STEP_SECONDS)
            before = now
