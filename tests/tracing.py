"""Coverage looks where it can learn something: tracing costs half as much again as a test itself.

Untraced are campaigns and servers, which go over the same lines a thousand times or in other
processes, and of a test that runs on both kinds of database the second run.
"""

from collections.abc import Generator
from typing import Any

import pytest
from coverage import Coverage

from tests.order import folder

FOLDERS = ("browser", "e2e", "faults", "fuzz", "migrations", "model", "production", "ward_shift")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a test with coverage or, where it would show nothing new, without."""
    tracing = Coverage.current()
    if tracing is None or not _repeats(item):
        return (yield)
    tracing.stop()
    try:
        return (yield)
    finally:
        tracing.start()


def _repeats(item: pytest.Item) -> bool:
    if folder(item) in FOLDERS:
        return True
    given = getattr(item, "callspec", None)
    on_one_only = any(
        "store" in str(mark.args[0]).split(",") for mark in item.iter_markers("parametrize")
    )
    on_postgresql = given is not None and given.params.get("store") == "postgresql"
    return on_postgresql and not on_one_only
