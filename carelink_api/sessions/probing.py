"""Lets the denylist's breakers close, on a thread that waits for Redis alone.

Where SQL hangs as well, whoever asked it would hang with it, and a worker whose Redis stumbled once
would answer 503 until SQL is back.
"""

import time

import structlog

from .background import DaemonThread
from .denylist import Denylist

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 1.0


class ProbeThread:
    """Asks again, once a second, what Redis has not answered; never on a request's path."""

    def __init__(self, denylist: Denylist) -> None:
        self._denylist = denylist
        self.ensure_running = DaemonThread("probe", self._run).ensure_running

    def _run(self) -> None:
        while True:
            try:
                self._denylist.probe()
            except Exception:  # the thread must outlive whatever a driver throws
                log.exception("probe_crashed")
            time.sleep(INTERVAL_SECONDS)
