"""The numbers that the console shows: who is logged in now, and what happened, minute by minute."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from flask import current_app
from sqlalchemy import BigInteger, Select, case, cast, extract, func, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import Unit, UserType
from ...audit.events import Event
from ...audit.models import AuditEvent
from ...database import from_epoch
from ...sessions.claims import AccessClaims
from ..live_counts import EXTENSION as LIVE_COUNTS
from ..live_counts import LiveCounts
from .operating import demand_operator

EXTENSION = "carelink.minute_counts"
MINUTES = 60
_LATE_MINUTES = 1
"""How long after its minute an event may be committed: statements wait ten seconds at most."""
SERIES: dict[str, tuple[Event, ...]] = {
    "logins": (Event.LOGIN_SUCCEEDED,),
    "refreshes": (Event.SESSION_REFRESHED, Event.SESSION_KEPT, Event.SESSION_ROW_BEHIND),
    "reissues": (Event.SESSION_REISSUED,),
    "reuse_alarms": (Event.SESSION_REUSED,),
    "refusals": (Event.LOGIN_REFUSED, Event.LOGIN_BLOCKED, Event.REFRESH_REFUSED),
    "throttles": (Event.TOKEN_THROTTLED,),
    "ended": (Event.SESSION_LOGGED_OUT, Event.SESSION_REVOKED, Event.SESSION_EXPIRED),
}
"""What is counted as what. No event is in two of them."""
_SERIES_OF: dict[str, str] = {event: name for name, events in SERIES.items() for event in events}


def look_at_numbers(sql: Sql, claims: AccessClaims, *, now: datetime) -> dict[str, Any]:
    """Return the live sessions by unit and user type, and the events of each of 60 minutes.

    The last minute is the present one and not over. Raises Forbidden.
    """
    demand_operator(sql, claims, now=now)
    minutes: MinuteCounts = current_app.extensions[EXTENSION]
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    return {
        "at": now,
        "sessions": _sessions(sql, now),
        "last_hour": {"starts_at": first, "series": minutes.last_hour(sql, now)},
    }


def _sessions(sql: Sql, now: datetime) -> dict[str, Any]:
    by_unit: dict[int | None, int] = defaultdict(int)
    by_type: dict[str, int] = {str(user_type): 0 for user_type in UserType}
    live: LiveCounts = current_app.extensions[LIVE_COUNTS]
    for count in live.read(sql, now):
        by_unit[count.unit_id] += count.sessions
        by_type[count.user_type] += count.sessions
    units = [
        {"id": id, "name": name, "sessions": by_unit[id]}
        for id, name in sql.execute(select(Unit.id, Unit.name).order_by(Unit.name))
    ]
    return {
        "total": sum(by_type.values()),
        "by_unit": units,
        "without_unit": by_unit[None],
        "by_user_type": [{"user_type": name, "sessions": n} for name, n in by_type.items()],
    }


class MinuteCounts:
    """Counts of the trail's events by minute; of minutes that are over, remembered.

    Of a hospital's hour half a million events are read once for each worker, and after that only
    those of the last two or three minutes.
    """

    def __init__(self) -> None:
        self._counts: dict[int, Counter[str]] = {}
        self._read_from: int | None = None
        """The first minute that may still change."""
        self._lock = Lock()

    def last_hour(self, sql: Sql, now: datetime) -> dict[str, list[int]]:
        """Return each series' counts: one grouped statement by the index on the events' time.

        While another request reads, what is known already is the answer: where the database is
        slow, no queue of consoles holds the threads and connections of those who work.
        """
        last = int(now.timestamp()) // 60
        if self._lock.acquire(blocking=self._read_from is None):
            try:
                self._catch_up(sql, last)
            finally:
                self._lock.release()
        counts = self._counts
        return {
            name: [counts.get(minute, Counter())[name] for minute in _hour(last)] for name in SERIES
        }

    def _catch_up(self, sql: Sql, last: int) -> None:
        oldest = _hour(last)[0]
        start = oldest if self._read_from is None else max(oldest, min(self._read_from, last))
        found: dict[int, Counter[str]] = defaultdict(Counter)
        for minute, event, count in sql.execute(_by_minute(start)):
            found[minute][_SERIES_OF[event]] += count
        kept = {minute: n for minute, n in self._counts.items() if oldest <= minute < start}
        self._counts = kept | found
        self._read_from = last - _LATE_MINUTES


_TIMES = case(  # one event may stand for many refusals
    (AuditEvent.event != Event.TOKEN_THROTTLED, 1),
    else_=func.coalesce(AuditEvent.detail["times"].as_integer(), 1),
)


def _hour(last: int) -> range:
    return range(last - MINUTES + 1, last + 1)


def _by_minute(first: int) -> Select[int, str, int]:
    minute = cast(func.floor(extract("epoch", AuditEvent.recorded_at) / 60), BigInteger)
    return (
        select(minute.label("minute"), AuditEvent.event, func.sum(_TIMES))
        .where(AuditEvent.recorded_at >= from_epoch(first * 60), AuditEvent.event.in_(_SERIES_OF))
        .group_by(minute, AuditEvent.event)
    )
