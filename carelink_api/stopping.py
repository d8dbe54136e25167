"""Being told to stop, by a flag that a signal handler may set at any moment; and what a process
still does when it stops.

`threading.Event.set` takes a lock: a second signal that arrives inside the first one's handler
would wait for it for ever.
"""

import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.util import Finalize

from . import clock

_SLICE_SECONDS = 0.1
_LAST_SECONDS = 2.0


def at_end(act: Callable[[], object]) -> None:
    """Let the process do this when it ends, for two seconds at most: what hangs must not hold it.

    Not by `atexit`, which a child of `multiprocessing`, such as Granian's workers, never calls.
    """

    def do_last() -> None:
        last = threading.Thread(target=act, daemon=True)
        last.start()
        last.join(_LAST_SECONDS)

    Finalize(None, do_last, exitpriority=0)


class StopFlag:
    """Set by a signal, asked by a loop."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, *_: object) -> None:
        self.is_set = True

    def listen(self, *numbers: signal.Signals) -> None:
        """Be set by each of these signals, from now on."""
        for number in numbers:
            signal.signal(number, self.set)

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until the flag is set; return whether it is."""
        until = clock.monotonic() + seconds
        while not self.is_set and (left := until - clock.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
        return self.is_set
