"""A hospital whose stores are restored from backups."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeApp
from tests.faults.restored.backups import Backups, PostgresBackups, SqliteBackups
from tests.faults.restored.workers import Worker
from tests.servers import ValkeyServer


@pytest.fixture
def sql_backups(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Backups:
    if store.startswith("sqlite"):
        return SqliteBackups(store)
    return PostgresBackups(request.getfixturevalue("postgres"), store, tmp_path)


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of the test's own, with an append-only file."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def worker(make_app: MakeApp, redis_url: str) -> Worker:
    """A worker that ran before the backup."""
    return Worker(make_app)
