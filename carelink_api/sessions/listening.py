"""A worker's ear: it hears which sessions have just ended, so that memory can answer alone.

While it hears nothing, for whatever reason, the guard asks Redis as if there were no memory.
"""

import math
import time

import structlog

from .. import clock, metrics, redis_client
from ..redis_channel import Channel
from ..redis_client import STORE_ERRORS, Client
from .background import DaemonThread
from .hints import CHANNEL, Doubts, read_hint
from .pulse import Pulse

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
"""So long without a message, and the server is asked whether it is there."""
DEAF_SECONDS = 2.0
_RETRY_SECONDS = 0.5
_LONGEST_EFFECT_SECONDS = 3600.0


class Hearing:
    """What this worker has heard, and whether it hears. Written by one thread."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._doubts = Doubts()
        self._heard_at = -math.inf

    def hears(self) -> bool:
        """Return whether the server was there a moment ago, and would have told."""
        return clock.monotonic() - self._heard_at < DEAF_SECONDS

    def vouches_for(self, sid: str) -> bool:
        """Return whether nothing was heard, nor missed, that memory may not hold yet."""
        return self.hears() and not self._doubts.about(sid, self._pulse.read_at)

    def begin(self) -> None:
        """Hear from now on; what was said before was missed."""
        self._doubts.add_everybody(clock.monotonic())
        self.take(None)
        metrics.HEARS.set(1)

    def take(self, message: bytes | None) -> None:
        """Note a message; None: the server is there and has nothing to tell."""
        now = self._heard_at = clock.monotonic()
        if message is not None:
            hint = read_hint(message)
            metrics.count_hint(len(hint.sids) if hint else None)
            if hint is not None:
                self._doubts.add(hint.sids, now)
                _measure_effect(hint.at)
        self._doubts.forget(self._pulse.read_at)

    def end(self) -> None:
        """Hear nothing any more."""
        self._heard_at = -math.inf
        metrics.HEARS.set(0)


def _measure_effect(ended_at: float) -> None:
    """Measure how late a message comes; what it says of the time need not be true."""
    seconds = clock.wall() - ended_at
    if 0 <= seconds <= _LONGEST_EFFECT_SECONDS:
        metrics.REVOCATION_EFFECT.labels("message").observe(seconds)


class ListenerThread:
    """Keeps one worker listening, and begins anew when the connection is lost."""

    def __init__(self, client: Client, hearing: Hearing) -> None:
        self._client = client
        self._hearing = hearing
        self._is_deaf = False
        self.ensure_running = DaemonThread("listener", self._run).ensure_running

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except STORE_ERRORS as error:
                self._went_deaf(error)
            except Exception:  # the thread must outlive whatever a driver throws
                log.exception("listener_crashed")
            self._hearing.end()
            time.sleep(_RETRY_SECONDS)

    def _listen(self) -> None:
        with Channel(self._client, CHANNEL) as channel:
            self._hearing.begin()
            if self._is_deaf:
                log.info("messages_heard_again")
            self._is_deaf = False
            while True:
                self._hearing.take(channel.receive(TICK_SECONDS))

    def _went_deaf(self, error: Exception) -> None:
        if not self._is_deaf:  # once an outage
            log.warning("messages_not_heard", kind=type(error).__name__)
        self._is_deaf = True
        try:
            redis_client.refresh(self._client)  # a cluster's node may be gone for good
        except STORE_ERRORS as unreachable:
            log.debug("places_not_learnt", kind=type(unreachable).__name__)
