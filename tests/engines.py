"""Statements that are compiled once for each test process, not once for each application.

An engine keeps what it has compiled for itself and for its own dialect. A test has engines of its
own, so that every test would compile every statement again: a sixth of all its time.
"""

from typing import Any

from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect

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
