"""Every number that the service counts, in one place, for Prometheus.

Several worker processes share one folder, named by PROMETHEUS_MULTIPROC_DIR, so that whichever of
them is asked answers for all. It must be empty when the first of them starts. Without it a process
counts for itself. No label holds an id, a name of a person or an address.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache

if FOLDER := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)  # before the library looks for it

from prometheus_client import Counter, Gauge, Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "carelink_request_duration_seconds",
    "From a request's arrival to the first byte of its answer.",
    ("method", "route", "status"),
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
EVENTS = Counter(
    "carelink_events_total",
    "Audit events: logins, refreshes by verdict, ends of sessions, throttles, accesses.",
    ("event", "outcome"),
)
PROBLEMS = Counter(
    "carelink_problems_total", "Requests answered with a problem.", ("code", "reason")
)
GUARD = Counter(
    "carelink_guard_answers_total",
    "What decided on an access token: memory, redis, sql, or nothing could (none).",
    ("source", "answer"),
)
REPLAY_AGE = Histogram(
    "carelink_replay_age_seconds",
    "How long ago a refresh token that came back had been retired.",
    ("verdict",),
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200),
)
REVOCATION_EFFECT = Histogram(
    "carelink_revocation_effect_seconds",
    "From the moment a session is refused until a worker has read so from the database, or heard.",
    ("source",),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 2, 5, 30),
)
HINTS = Counter(
    "carelink_hints_total",
    "Messages on the channel of ended sessions: good or malformed.",
    ("kind",),
)
HINTED_SESSIONS = Counter(
    "carelink_hinted_sessions_total", "Sessions that messages said to have ended."
)
HEARS = Gauge(
    "carelink_hears_messages",
    "1 while every worker hears of ended sessions; else some, or all, ask Redis every time.",
    multiprocess_mode="livemin",
)
PULSE_READ_AT = Gauge(
    "carelink_pulse_read_timestamp_seconds",
    "When the pulse of the worker that lags most last read the database.",
    multiprocess_mode="livemin",
)
PULSE_SIZE = Gauge(
    "carelink_pulse_sessions",
    "Sessions ended of late that a worker remembers, at most.",
    multiprocess_mode="livemax",
)
BREAKER_OPENED = Counter(
    "carelink_redis_breaker_opened_total", "How often a worker gave Redis, or one node, up."
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer. `route` is a template: there are only so many."""
    _request(method if method in _METHODS else "(other)", route, status)(seconds)


def count_event(event: str, outcome: str, times: int = 1) -> None:
    """Count audit events as they are written."""
    _event(event, outcome).inc(times)


def count_guard(source: str, answer: str) -> None:
    """Note what the guard said, and what it rested on; `count_guarded` counts it."""
    _guarded.append((source, answer))


def count_guarded() -> None:
    """Count what has been noted. With its request's line, off the request's path."""
    while _guarded:
        with suppress(IndexError):  # somebody else has counted it
            _guard(*_guarded.popleft()).inc()


def count_hint(sessions: int | None) -> None:
    """Count a message about that many sessions; None for one that none of us has written."""
    HINTS.labels("malformed" if sessions is None else "good").inc()
    HINTED_SESSIONS.inc(sessions or 0)


_guarded: deque[tuple[str, str]] = deque(maxlen=100_000)
"""What the guard has said since it was last counted; bounded, for where nobody counts."""


# To look a child up by its labels costs as much as to count it.
@cache
def _request(method: str, route: str, status: int) -> Callable[[float], None]:
    observe: Callable[[float], None] = REQUESTS.labels(method, route, str(status)).observe
    return observe


@cache
def _event(event: str, outcome: str) -> Counter:
    return EVENTS.labels(event, outcome)


@cache
def _guard(source: str, answer: str) -> Counter:
    return GUARD.labels(source, answer)
