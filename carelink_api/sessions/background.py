"""A daemon thread that is started after the fork, and started again when it has died."""

import os
import threading
import time
from collections.abc import Callable

import structlog

from .. import clock

log = structlog.get_logger(__name__)


class DaemonThread:
    """Runs `target`, which loops for ever, once per process."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self._name = name
        self._target = target
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def ensure_running(self) -> None:
        """Start it unless it runs in this process. Cheap when it does; raises nothing."""
        if self._runs():
            return
        with self._lock:
            if not self._runs():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._target, name=self._name, daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the system gives no thread: the guard sees an old pulse
                    log.error("thread_not_started", name=self._name)

    def _runs(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and self._pid == os.getpid()


class Breather:
    """Lets requests run beside a long loop.

    The interpreter would else take a thread that computes off only every 5 ms, each time that a
    request wants to go on.
    """

    _WORKS_FOR = 0.001
    _RESTS_FOR = 0.0005

    def __init__(self) -> None:
        self._since = clock.monotonic()

    def breathe(self) -> None:
        """Rest, if it is time. Cheap when it is not."""
        if clock.monotonic() - self._since > self._WORKS_FOR:
            time.sleep(self._RESTS_FOR)
            self._since = clock.monotonic()
