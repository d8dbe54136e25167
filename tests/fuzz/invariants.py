"""What must hold in the stores and in the log, whatever was sent."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import redis
from flask import Flask
from sqlalchemy import Engine, Row, func, select

from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.sessions.models import ChangeCounter, Session
from tests.servers import ApiServer

Trail = list[Row[Any]]
ENDS = {
    Event.SESSION_REUSED,
    Event.SESSION_LOGGED_OUT,
    Event.SESSION_REVOKED,
    Event.SESSION_EXPIRED,
}
BRIDGED = {
    "denylist_unavailable",
    "denylist_write_failed",
    "ends_not_announced",
    "messages_not_heard",
}
"""What a worker says of Redis when it has not answered in time, and does without."""


def audit_trail(engine: Engine) -> Trail:
    """Return every audit event so far with all its columns, oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(select(AuditEvent.__table__).order_by(AuditEvent.id)))


def sessions(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(select(Session.__table__)))


def assert_the_trail_only_grew(before: Trail, after: Trail) -> None:
    assert after[: len(before)] == before
    assert len(after) > len(before)


def assert_sessions_are_whole(engine: Engine, app: Flask) -> None:
    """Each session has one current refresh token while it lives, and is refused once it ended."""
    rows = sessions(engine)
    with engine.connect() as connection:
        last_number = connection.scalar(select(func.max(ChangeCounter.value))) or 0
    current = Counter(row.refresh_jti for row in rows)
    assert [jti for jti, times in current.items() if times > 1] == []
    for row in rows:
        listed = app.extensions["carelink"].denylist.find(row.id, row.refresh_jti)
        if row.ended_at is None:
            assert (row.end_reason, row.refuse_from, listed) == (None, None, None), row.id
        else:
            assert row.refuse_from <= row.ended_at, row.id
            assert 1 <= row.change_number <= last_number, row.id
            assert row.end_reason, row.id
            assert listed, row.id


def assert_one_event_each(engine: Engine) -> None:
    """Each session has one event of its beginning, and each that has ended one of its end."""
    begun, ended = Counter[str](), Counter[str]()
    for event in audit_trail(engine):
        begun[event.sid] += event.event == Event.LOGIN_SUCCEEDED
        ended[event.sid] += event.event in ENDS
    for row in sessions(engine):
        assert begun[row.id] == 1, row.id
        assert ended[row.id] == (row.ended_at is not None), row.id


def assert_the_log_is_quiet(server: ApiServer) -> None:
    """No error, no traceback, no 5xx: one JSON object a line.

    A busy machine may let Redis miss its 100 ms, which the worker bridges and says in the log.
    """
    for line in server.log().splitlines():
        entry = json.loads(line)
        starved = entry["event"] in BRIDGED and entry.get("kind") == "TimeoutError"
        assert starved or entry["level"] in ("debug", "info"), line
        assert entry.get("status", 200) < 500, line


def assert_kept_secret(
    secrets: Iterable[str], server: ApiServer, trail: Trail, client: redis.Redis
) -> None:
    """No password and no token stands in the log, in the audit trail or in Redis."""
    places = [server.log(), repr(trail), json.dumps([list(row) for row in trail], default=str)]
    for key in client.scan_iter():
        places += [key, str(client.get(key)) if client.type(key) == "string" else ""]
    everything = "\n".join(places)
    for secret in secrets:
        for spelling in {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
            assert spelling not in everything, f"{spelling[:40]!r} is not kept secret"
