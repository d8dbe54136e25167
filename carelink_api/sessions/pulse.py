"""A worker's twice-a-second look into SQL for sessions that have ended.

It is what makes a revocation hold within a second whatever happens to Redis. `Pulse` is the look
and what it remembers; `PulseThread` keeps it beating.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from .. import clock, metrics
from .background import Breather, DaemonThread
from .denylist import Entry
from .ended import BULK, EndedSessions, Refusal
from .packed import fingerprint, fingerprints, split
from .pages import LARGEST, Group
from .reading import Found, Reader, WholeReading
from .reasons import EndReason, public_reason

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 0.5
FRESH_SECONDS = 1.0
SETTLED_SECONDS = 60.0
"""After the list was read whole the database may be a restored one: so long Redis is asked, too."""
LOOK_SECONDS = 0.3
FIRST_LOOK_SECONDS = 2.5
"""A worker that has never read the list whole waits longer: it is cold, and knows of nobody."""
_LONG_AGO_SECONDS = 5.0
"""Without a look for so long, a database restored meanwhile may have counted past what was seen."""
_CLOCK_STEP_SECONDS = 5.0
"""By so much no clock that is merely steered falls behind between two looks."""
_TIDY_SECONDS = 0.1
"""In each beat; what is left goes on in the next one."""
_Moment = tuple[float, float]
"""By the monotonic and by the wall clock."""


class Pulse:
    """Ended sessions, at most one beat old, and how old that beat is."""

    def __init__(
        self,
        engine: Engine,
        learn_keys: Callable[[Connection], None] = lambda _: None,
        *,
        page_size: int = LARGEST,
    ) -> None:
        self._engine = engine
        self._learn_keys = learn_keys
        """Reads the keys that sign and verify: called when they have changed, or may have."""
        self._key_change: int | None = None
        self._ended = EndedSessions()
        self._reader = Reader(page_size)
        self._refuse_logins_before = 0
        self._looked_at: _Moment | None = None
        """When SQL was last seen to answer; the list may not be read whole yet."""
        self._last_good: _Moment | None = None
        self._whole_at = float("inf")
        """When the list was last read whole, by the wall clock."""
        self._tidying: Iterator[None] = iter(())

    @property
    def size(self) -> int:
        return len(self._ended)

    @property
    def has_read(self) -> bool:
        """Whether the list was ever read whole."""
        return self._last_good is not None  # the first good read is a whole one

    def age_seconds(self) -> float:
        """Return the age of the last good read, from its start; infinite before the first.

        By the clock that went further: the other one may have stopped in a suspended machine.
        Infinite, too, where the wall clock has been set back since.
        """
        return _age(self._last_good)

    def is_fresh(self) -> bool:
        return self.age_seconds() < FRESH_SECONDS

    @property
    def read_at(self) -> float:
        """The start of the last good read, by the monotonic clock."""
        return self._last_good[0] if self._last_good else float("-inf")

    def is_settled(self) -> bool:
        """Return whether it is fresh, and has been reading one database for a while.

        Until then Redis may know of ends that a restored database has forgotten, and that the
        housekeeper is about to end again.
        """
        return self.is_fresh() and clock.wall() - self._whole_at >= SETTLED_SECONDS

    def find(self, sid: str, now: datetime) -> str | None:
        """Return why `sid` is refused at `now`, or None."""
        return self._ended.find(sid, now.timestamp())

    def refuses_login_at(self, auth_time: int) -> bool:
        """Return whether every session that started then is refused, whatever became of its row."""
        return auth_time < self._refuse_logins_before

    def remember(self, entries: Sequence[Entry]) -> None:
        """Know at once what this worker itself has ended: in one act, where they are many."""
        ended = [entry for entry in entries if entry.jti is None]
        if len(ended) > BULK:
            at, reason = ended[0].at.timestamp(), public_reason(ended[0].reason)
            self._ended.pack([fingerprint(entry.sid) for entry in ended], at, reason)
            return
        for entry in ended:
            reason = public_reason(entry.reason)
            self._ended.add(entry.sid, entry.at.timestamp(), reason, ended=True)

    def beat(self) -> bool:
        """Read what has changed; return whether SQL answered. One caller at a time.

        Page after page, each a short transaction, until nothing is left. Where one fails, what was
        read before stays known.
        """
        breather = Breather()
        try:
            while not self._look(breather):
                pass
        except SQLAlchemyError as error:
            log.warning("pulse_failed", kind=type(error).__name__)
            if not self._reader.fail(error):
                self._engine.dispose()
            return False
        self._tidy(breather)
        metrics.PULSE_SIZE.set(self.size)
        return True

    def close(self) -> None:
        self._engine.dispose()

    def _look(self, breather: Breather) -> bool:
        """Read and learn one page; return whether all is known that was committed before it."""
        started = (clock.monotonic(), clock.wall())
        if _age(self._looked_at) > _LONG_AGO_SECONDS:
            self._reader.start_over()
        now = clock.now()
        with self._engine.connect() as connection:
            found = self._reader.read(connection, now)
            if found.whole_begun or found.key_change != self._key_change:
                self._learn_keys(connection)
                self._key_change = found.key_change
        self._take(found, now, breather)  # learned outside the transaction: it takes its time
        self._reader.move_on(found)
        self._looked_at = started
        if found.ends_whole:
            self._whole_at = started[1]
        if found.complete:
            self._ended.prune(now.timestamp())
            self._last_good = started
            metrics.PULSE_READ_AT.set(started[1])
        return found.complete

    def _take(self, found: Found, now: datetime, breather: Breather) -> None:
        if found.refuse_before is not None:  # raised only: a backup must not take it back
            whole_seconds = int(found.refuse_before.timestamp())  # as in the tokens
            self._refuse_logins_before = max(self._refuse_logins_before, whole_seconds)
        for group in found.page.groups:
            self._learn(group, now, found.whole)
            breather.breathe()
        if found.ends_whole and found.whole is not None:
            self._ended.withdraw_all_but(found.whole.ahead, now.timestamp())
            self._tidying = self._ended.tidy(whole=True)
        if found.whole is None:
            _measure_effect(found.page.groups, now)

    def _learn(self, group: Group, now: datetime, whole: WholeReading | None) -> None:
        """Learn of sessions that one change gave one end."""
        if group.refuse_from is None:
            for sid in split(group.spelled):
                self._ended.withdraw(sid, now.timestamp())
            return
        over = group.end_reason is not None  # else the end may lie ahead
        reason = public_reason(group.end_reason or EndReason.SHIFT_ENDED)
        refusal = Refusal(group.refuse_from.timestamp(), reason, over)
        if group.size > BULK and refusal.holds(now.timestamp()):
            self._ended.pack(fingerprints(group.spelled), refusal.refuse_from, reason)
            return
        for sid in split(group.spelled):
            self._ended.learn(sid, refusal, now.timestamp())
            if whole is not None and not over:
                whole.ahead.add(sid)

    def _tidy(self, breather: Breather) -> None:
        """Go on tidying for a moment; begin anew where everything was done."""
        until = clock.monotonic() + _TIDY_SECONDS
        for _ in self._tidying:
            breather.breathe()
            if clock.monotonic() > until:
                return
        self._tidying = self._ended.tidy()


def _age(moment: _Moment | None) -> float:
    """Return it by the clock that went further; infinite where the wall clock was set back.

    What was forgotten as too old, by a clock that was ahead, may be young again.
    """
    if moment is None:
        return float("inf")
    passed, shown = clock.monotonic() - moment[0], clock.wall() - moment[1]
    return float("inf") if passed - shown > _CLOCK_STEP_SECONDS else max(passed, shown)


def _measure_effect(groups: Sequence[Group], now: datetime) -> None:
    """Measure how late this worker learns what has been ended: once for all of one batch."""
    over = (group for group in groups if group.end_reason)
    for at in {group.change_number: group.refuse_from for group in over}.values():
        if at is not None and at <= now:
            metrics.REVOCATION_EFFECT.labels("database").observe((now - at).total_seconds())


class PulseThread:
    """Keeps one pulse beating in this process, and beats at once when somebody waits for it."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._daemon = DaemonThread("pulse", self._run)
        self.ensure_running = self._daemon.ensure_running
        self._wanted = threading.Event()
        self._beaten = threading.Condition()
        self._failed_at = float("-inf")

    def look(self) -> bool:
        """Wait, 300 ms at most, for a read that is fresh; return whether there is one.

        All waiting requests share one read. After a failure nobody waits for another half second.
        Only before the first read of all they wait longer: until it has succeeded or failed.
        """
        if clock.monotonic() - self._failed_at < INTERVAL_SECONDS:
            return False
        self.ensure_running()
        asked_at = clock.monotonic()
        self._wanted.set()
        with self._beaten:
            self._beaten.wait_for(
                lambda: self._pulse.is_fresh() or self._failed_at >= asked_at,
                LOOK_SECONDS if self._pulse.has_read else FIRST_LOOK_SECONDS,
            )
        fresh = self._pulse.is_fresh()
        if not fresh:
            self._failed_at = clock.monotonic()
        return fresh

    def _run(self) -> None:
        while True:
            try:
                good = self._pulse.beat()
            except Exception:  # the thread must outlive whatever a driver throws; the age tells
                log.exception("pulse_crashed")
                good = False
            if not good:
                self._failed_at = clock.monotonic()
            with self._beaten:
                self._beaten.notify_all()
            self._wanted.wait(INTERVAL_SECONDS)
            self._wanted.clear()
