"""Being told to stop, by a flag that a signal handler may set at any moment.

`threading.Event.set` takes a lock: a second signal that arrives inside the first one's handler
would wait for it for ever.
"""

import signal
import time

from . import clock

_SLICE_SECONDS = 0.1


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
