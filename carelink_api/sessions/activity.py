"""Who is active, and which generations have been used: noted in memory, written in batches.

Silent refresh is no activity (NIST SP 800-63B-4 §5.1.2); a call that the user caused is. Nothing
here is on a request's path but two dictionary operations.
"""

import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Engine, bindparam, case, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from .. import clock
from ..database import from_epoch, write_lock
from ..stopping import at_end
from .background import DaemonThread
from .lifetimes import IDLE_NOTICE
from .models import Session

log = structlog.get_logger(__name__)

WRITE_EVERY_SECONDS = IDLE_NOTICE.total_seconds()
_TICK_SECONDS = 1.0
_REMEMBER_SECONDS = 300.0
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Note:
    """The highest generation used, and the last activity in epoch seconds (0: none)."""

    generation: int
    active_at: float

    def merged(self, other: "Note | None") -> "Note":
        if other is None:
            return self
        return Note(max(self.generation, other.generation), max(self.active_at, other.active_at))


class ActivityLog:
    """What has been noted and not yet written. `flush` has one caller at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._pending: dict[str, Note] = {}
        self._written: dict[str, Note] = {}
        self._written_at: dict[str, float] = {}
        self.wanted = threading.Event()
        """Set when something should be written at once."""

    def note(self, sid: str, generation: int, now: float, *, active: bool) -> None:
        """Note one authenticated call; `active` says that the user caused it."""
        written = self._written.get(sid)
        if written is not None and not active and written.generation >= generation:
            return
        noted = Note(generation, now if active else 0.0)
        with self._lock:
            self._pending[sid] = noted.merged(self._pending.get(sid))
        if _is_due(noted, written, now):
            self.wanted.set()

    def flush(self, now: float, *, everything: bool = False) -> bool:
        """Write what is due; return whether SQL took it. What was not taken stays noted."""
        with self._lock:
            due = {
                sid: note
                for sid, note in self._pending.items()
                if everything or _is_due(note, self._written.get(sid), now)
            }
            for sid in due:
                del self._pending[sid]
        sids = sorted(due)
        for start in range(0, len(sids), _BATCH):
            batch = {sid: due[sid] for sid in sids[start : start + _BATCH]}
            try:
                done = self._write(batch, now)
            except SQLAlchemyError as error:
                log.warning("activity_not_written", kind=type(error).__name__, sessions=len(due))
                self._put_back({sid: due[sid] for sid in sids[start:]})
                return False
            self._put_back({sid: note for sid, note in batch.items() if sid not in done})
        self._forget(now)
        return True

    def _write(self, batch: Mapping[str, Note], now: float) -> set[str]:
        """Raise the rows' values, in sid order, skipping rows that somebody holds."""
        with self._engine.connect() as plain, write_lock(plain) as connection:
            free = _lock_free(connection, list(batch))
            held = _still_there(connection, batch.keys() - free)
            if rows := [_values(sid, batch[sid]) for sid in free]:
                connection.execute(_RAISE, rows)
        # Held by somebody else: next time. A row that is gone for good needs no note.
        written = {sid: note for sid, note in batch.items() if sid not in held}
        for sid, note in written.items():
            self._written[sid] = note.merged(self._written.get(sid))
            self._written_at[sid] = now
        return set(written)

    def _put_back(self, notes: Mapping[str, Note]) -> None:
        with self._lock:
            for sid, note in notes.items():
                self._pending[sid] = note.merged(self._pending.get(sid))

    def _forget(self, now: float) -> None:
        """Drop what was written long ago, so that memory does not grow with the day's sessions."""
        for sid, written_at in list(self._written_at.items()):
            if written_at < now - _REMEMBER_SECONDS and sid not in self._pending:
                del self._written_at[sid], self._written[sid]


def _is_due(note: Note, written: Note | None, now: float) -> bool:
    if written is None or note.generation > written.generation:
        return True
    return note.active_at > written.active_at and now - written.active_at >= WRITE_EVERY_SECONDS


def _lock_free(connection: Connection, sids: list[str]) -> set[str]:
    """Lock the rows that nobody holds. SQLite locks as a whole, at BEGIN IMMEDIATE."""
    rows = select(Session.id).where(Session.id.in_(sids)).order_by(Session.id)
    return set(connection.scalars(rows.with_for_update(skip_locked=True)))


def _still_there(connection: Connection, sids: Set[str]) -> set[str]:
    if not sids:
        return set()
    return set(connection.scalars(select(Session.id).where(Session.id.in_(sids))))


def _values(sid: str, note: Note) -> dict[str, object]:
    return {"sid": sid, "used": note.generation, "active": from_epoch(note.active_at)}


def _raised(column: InstrumentedAttribute[Any], name: str) -> ColumnElement[Any]:
    value = bindparam(name, type_=column.type)
    return case((column < value, value), else_=column)


_RAISE = (
    update(Session)
    .where(Session.id == bindparam("sid"))
    .values(
        used_generation=_raised(Session.used_generation, "used"),
        last_active_at=_raised(Session.last_active_at, "active"),
    )
    .execution_options(synchronize_session=False)
)


class ActivityThread:
    """Writes what is due, and what somebody else has to write: never on a request's path."""

    def __init__(self, activity: ActivityLog, write_more: Callable[[], object]) -> None:
        self._activity = activity
        self._write_more = write_more
        self._daemon = DaemonThread("activity", self._run)
        self.ensure_running = self._daemon.ensure_running

    def _run(self) -> None:
        at_end(self._write_the_rest)
        while True:
            self._activity.wanted.wait(_TICK_SECONDS)
            self._activity.wanted.clear()
            try:
                self._write_more()
                written = self._activity.flush(clock.wall())
            except Exception:  # the thread must outlive whatever a driver throws
                log.exception("activity_crashed")
                written = False
            if not written:  # do not hammer a database that is down
                time.sleep(_TICK_SECONDS)

    def _write_the_rest(self) -> None:
        self._activity.flush(clock.wall(), everything=True)
