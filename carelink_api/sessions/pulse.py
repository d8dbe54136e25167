"""A worker's twice-a-second look into SQL for sessions that have ended.

It is what makes a revocation hold within a second whatever happens to Redis. `Pulse` is the look
and what it remembers; `PulseThread` keeps it beating.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from .. import clock, metrics
from . import changes
from .background import DaemonThread
from .denylist import Entry
from .ended import BULK, KEEP_SECONDS, EndedSessions
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
"""By so much no clock that is merely steered falls behind between two beats."""


@dataclass(frozen=True)
class _Read:
    """What one look into SQL has found."""

    newest: int
    refuse_before: datetime | None
    rows: Sequence[changes.ChangeRow]
    whole: bool
    """Every session that counts, and not only those that have changed since the last look."""


class Pulse:
    """Ended sessions, at most one beat old, and how old that beat is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ended = EndedSessions()
        self._seen: int | None = None
        """The newest change number read; None before the list has been read whole."""
        self._refuse_logins_before = 0
        self._last_good: tuple[float, float] | None = None
        self._whole_at = float("inf")
        """When the list was last read whole, by the wall clock."""

    @property
    def size(self) -> int:
        return len(self._ended)

    @property
    def has_read(self) -> bool:
        """Whether the list was ever read whole."""
        return self._last_good is not None  # the first good read is a whole one

    def age_seconds(self) -> float:
        """Return the age of the last good read, from its start; infinite before the first.

        By the clock that went further: one may have been set back, the other stopped in a
        suspended machine.
        """
        if self._last_good is None:
            return float("inf")
        monotonic, wall = self._last_good
        return max(clock.monotonic() - monotonic, clock.wall() - wall)

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
        """Know at once what this worker itself has ended."""
        for entry in entries:
            if entry.jti is None:
                reason = public_reason(entry.reason)
                self._ended.add(entry.sid, entry.at.timestamp(), reason, ended=True)

    def beat(self) -> bool:
        """Read what has changed; return whether SQL answered. One caller at a time."""
        started = (clock.monotonic(), clock.wall())
        if self._clock_was_set_back(*started) or self.age_seconds() > _LONG_AGO_SECONDS:
            self._seen = None  # what was forgotten as too old may be young again
        now = clock.now()
        try:
            with self._engine.connect() as connection:
                found = self._read(connection, now)
        except SQLAlchemyError as error:
            log.warning("pulse_failed", kind=type(error).__name__)
            self._seen = None  # read it whole next time: an answer may have been lost
            self._engine.dispose()
            return False
        self._take(found, now)  # the transaction is over: to learn a million takes longer than one
        if found.whole:
            self._whole_at = started[1]
        self._last_good = started
        metrics.PULSE_READ_AT.set(started[1])
        metrics.PULSE_SIZE.set(self.size)
        return True

    def close(self) -> None:
        self._engine.dispose()

    def _clock_was_set_back(self, monotonic: float, wall: float) -> bool:
        if self._last_good is None:
            return False
        passed, shown = monotonic - self._last_good[0], wall - self._last_good[1]
        return passed - shown > _CLOCK_STEP_SECONDS

    def _read(self, connection: Connection, now: datetime) -> "_Read":
        newest, refuse_before = changes.read_counter(connection)
        if self._seen is None or newest < self._seen:  # first, after an error, or a restored backup
            since = now - timedelta(seconds=KEEP_SECONDS)
            return _Read(newest, refuse_before, changes.refused_since(connection, since), True)
        rows = changes.changes_after(connection, self._seen) if newest > self._seen else ()
        return _Read(newest, refuse_before, rows, False)

    def _take(self, read: "_Read", now: datetime) -> None:
        if read.refuse_before is not None:  # raised only: a backup must not take it back
            whole_seconds = int(read.refuse_before.timestamp())  # as in the tokens
            self._refuse_logins_before = max(self._refuse_logins_before, whole_seconds)
        if read.whole:
            ended = EndedSessions()
            _learn(ended, read.rows, now)
            ended.keep_refused_of(self._ended, now.timestamp())
            self._ended, self._seen = ended, read.newest
        else:
            _learn(self._ended, read.rows, now)
            _measure_effect(read.rows, now)
            self._seen = max([read.newest, *(row.change_number or 0 for row in read.rows)])
        self._ended.prune(now.timestamp())


def _learn(ended: EndedSessions, rows: Sequence[changes.ChangeRow], now: datetime) -> None:
    sizes = Counter(row.change_number for row in rows)
    for row in rows:
        over = row.end_reason is not None  # else its end may lie ahead
        if row.refuse_from is None:
            ended.withdraw(row.id, now.timestamp())
        elif sizes[row.change_number] > BULK and (over or row.refuse_from <= now):
            ended.add_packed(row.id, row.refuse_from.timestamp())
        else:
            reason = public_reason(row.end_reason or EndReason.SHIFT_ENDED)
            ended.add(row.id, row.refuse_from.timestamp(), reason, ended=over)


def _measure_effect(rows: Sequence[changes.ChangeRow], now: datetime) -> None:
    """Measure how late this worker learns what has been ended: once for all of one batch."""
    for at in {row.change_number: row.refuse_from for row in rows if row.end_reason}.values():
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
