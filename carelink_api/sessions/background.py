"""A daemon thread that is started after the fork, and started again when it has died."""

import os
import threading
from collections.abc import Callable

import structlog

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
