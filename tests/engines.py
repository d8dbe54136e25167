"""Statements that are compiled once for each test process, not once for each application; and a
database whose clock goes along where a test moves the time.

An engine keeps what it has compiled for itself and for its own dialect. A test has engines of its
own, so that every test would compile every statement again: a sixth of all its time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from carelink_api.database_clock import ASK
from carelink_api.extensions import db

_compiled: dict[Any, Any] = {}


def share_compiled_statements(app: Flask) -> None:
    """Let the application's engines find what those before them have compiled."""
    runtime = app.extensions["carelink"]
    with app.app_context():
        engines: list[Engine] = list(db.engines.values())
    for engine in (*engines, runtime.pulse._engine, runtime.activity._engine):
        engine.update_execution_options(compiled_cache=_compiled)


def _is_of_one_kind(one: DefaultDialect, other: object) -> bool:
    return type(one) is type(other)


def _hash_of_the_kind(one: DefaultDialect) -> int:
    return hash(type(one))


# The dialect is part of a compiled statement's key; ours differ in nothing that SQL shows.
DefaultDialect.__eq__ = _is_of_one_kind  # type: ignore[method-assign]
DefaultDialect.__hash__ = _hash_of_the_kind  # type: ignore[method-assign]


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _ask_a_moved_clock(
    connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    if statement == ASK.text:
        ahead = _stays[-1] if _stays else _travelled()
        statement = f"{ASK.text} + make_interval(secs => {ahead})"
    return statement, parameters


def _travelled() -> float:
    if not time_machine.escape_hatch.is_travelling():
        return 0.0
    return time.time() - time_machine.escape_hatch.time.time()


_stays: list[float] = []


@contextmanager
def clock_that_stays(ahead: timedelta = timedelta(0)) -> Iterator[None]:
    """Let the database keep the real time meanwhile, or one so far ahead of it, whatever the
    test's own is.
    """
    _stays.append(ahead.total_seconds())
    try:
        yield
    finally:
        _stays.pop()
