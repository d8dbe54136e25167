"""Rows, parts and stoppable threads for the tests of the core."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import psycopg
from flask import Flask
from sqlalchemy import Engine, event, insert, select, update
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.database import writing
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.denylist import Entry
from carelink_api.sessions.ending import end_sessions
from carelink_api.sessions.grants import new_jti, new_sid
from carelink_api.sessions.models import Session
from carelink_api.sessions.pulse import SETTLED_SECONDS, Pulse, PulseThread
from carelink_api.sessions.reasons import EndReason
from carelink_api.sessions.runtime import Runtime
from tests.conftest import Travel
from tests.processes import wait_for

BreakSql = Callable[..., AbstractContextManager[None]]
"""Called with the engines that must lose their connections, too."""


def parts(app: Flask) -> Runtime:
    """Return the running parts of an application."""
    found: Runtime = app.extensions["carelink"]
    return found


def settle(app: Flask, travel: Travel) -> None:
    """Let time pass in which a worker beats and hears, until its memory may answer alone."""
    runtime = parts(app)
    assert runtime.hearing is not None
    runtime.hearing.begin()
    for _ in range(int(SETTLED_SECONDS // 4) + 2):
        travel(4)
        runtime.hearing.take(None)
        assert runtime.pulse.beat()
    assert runtime.pulse.is_settled()


def insert_sessions(sql: Sql, user_id: int, count: int, now: datetime, **columns: Any) -> list[str]:
    """Insert live sessions of a user; return their `sid`s in order."""
    end = now + timedelta(hours=12)
    sids = sorted(new_sid() for _ in range(count))
    values = {
        "user_id": user_id,
        "profile": "standard",
        "started_at": now,
        "expires_at": end,
        "latest_expires_at": end,
        "last_active_at": now,
        "generation": 1,
        "refresh_issued_at": now,
        "retired": [],
        "used_generation": 0,
        "late_reissues": 0,
        "late_generation": 0,
    } | columns
    with writing(sql):
        sql.execute(
            insert(Session), [values | {"id": sid, "refresh_jti": new_jti()} for sid in sids]
        )
    return sids


def end_elsewhere(
    sql: Sql,
    sids: Sequence[str],
    now: datetime,
    reason: EndReason = EndReason.REVOKED,
) -> list[Entry]:
    """End sessions as another worker would that Redis did not hear: in SQL alone."""
    with writing(sql):
        return end_sessions(sql, Session.id.in_(sids), reason=reason, now=now, actor="cli")


def move_end(sql: Sql, sid: str, refuse_from: datetime | None) -> None:
    """Let a session end at a time ahead, or at its usual end again (None), as a roster does."""
    with writing(sql):
        number = take_change_number(sql)
        moved = {"refuse_from": refuse_from, "change_number": number}
        sql.execute(update(Session).where(Session.id == sid).values(**moved))


def row_of(sql: Sql, sid: str) -> Session:
    """Return a session's row as it stands now."""
    sql.rollback()
    row = sql.scalars(select(Session).where(Session.id == sid)).one()
    sql.expunge(row)
    sql.rollback()
    return row


def events(sql: Sql, *sids: str) -> Sequence[AuditEvent]:
    """Return the events of sessions, oldest first, logins apart."""
    sql.rollback()
    return sql.scalars(
        select(AuditEvent)
        .where(AuditEvent.sid.in_(sids), AuditEvent.event != Event.LOGIN_SUCCEEDED)
        .order_by(AuditEvent.id)
    ).all()


def let_go(sql: Sql) -> None:
    """Close the test's own connection before the database goes away; it opens another."""
    sql.close()
    bind = sql.get_bind()
    assert isinstance(bind, Engine)
    bind.dispose()


def somebody_waits_for_a_lock(connection: psycopg.Connection) -> Callable[[], bool]:
    """Return a question for `wait_for`: whether PostgreSQL lets anyone wait for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def ask() -> bool:
        found = connection.execute(waiting).fetchone()
        return found is not None and found[0] > 0

    return ask


@contextlib.contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that the engine runs, transactions' brackets apart."""
    seen: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    yield seen
    event.remove(engine, "before_cursor_execute", listen)


class CountedPulse(Pulse):
    """A pulse that counts its beats and can be told to end its thread."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.beats = 0
        self.over = False

    def beat(self) -> bool:
        if self.over:
            raise SystemExit
        self.beats += 1
        return super().beat()


class CountedCondition(threading.Condition):
    """A condition that counts who has waited for it."""

    waits = 0

    def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        self.waits += 1
        return bool(super().wait_for(predicate, timeout))


class EndingPulseThread(PulseThread):
    """A pulse's thread that ends with the test, and counts who has waited for its beat."""

    def __init__(self, pulse: CountedPulse) -> None:
        super().__init__(pulse)
        self.pulse = pulse
        self.running = 0
        self._beaten = self.beaten = CountedCondition()

    def _run(self) -> None:
        self.running += 1
        with contextlib.suppress(SystemExit):
            super()._run()
        self.running -= 1

    def end(self) -> None:
        self.pulse.over = True
        wait_for(self._has_ended, "the pulse's thread")
        self.pulse.close()

    def _has_ended(self) -> bool:
        self._wanted.set()
        return self.running == 0
