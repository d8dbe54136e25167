"""Stores that these tests may break."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, make_url

from carelink_api.database import background_engine
from tests.auth_helper import Auth
from tests.servers import PostgresServer, ValkeyServer
from tests.sessions.helpers import BreakSql


@pytest.fixture
def user_id(auth: Auth) -> int:
    return auth.create_user().id


@pytest.fixture
def engine(store: str) -> Iterator[Engine]:
    """What pulse and activity reach SQL with."""
    engine = background_engine(store)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def _breakable() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def fragile(_breakable: ValkeyServer) -> Iterator[ValkeyServer]:
    """An empty Valkey that a test may pause, stop or misconfigure: it is mended afterwards."""
    with _breakable.client() as client:
        client.flushall()
    yield _breakable
    if _breakable.process is None:
        _breakable.start()
    _breakable.resume()
    with _breakable.client() as client:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("replica-serve-stale-data", "yes")


@pytest.fixture
def broken_sql(request: pytest.FixtureRequest, store: str) -> BreakSql:
    """While its context lasts, nobody can open the database."""
    if store.startswith("sqlite"):
        return lambda *engines: _file_gone(Path(store.removeprefix("sqlite:///")), engines)
    return lambda *_: _closed(request.getfixturevalue("postgres"), store)


@contextlib.contextmanager
def _file_gone(path: Path, engines: tuple[Engine, ...]) -> Iterator[None]:
    aside = path.with_suffix(".aside")
    for engine in engines:
        engine.dispose()
    path.rename(aside)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        aside.rename(path)


@contextlib.contextmanager
def _closed(server: PostgresServer, url: str) -> Iterator[None]:
    name = make_url(url).database
    server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    server.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    try:
        yield
    finally:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.fixture
def only_postgresql(store: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A connection of the test's own to a fresh PostgreSQL store, in autocommit."""
    server: PostgresServer = request.getfixturevalue("postgres")
    with psycopg.connect(
        host=str(server.folder), user="postgres", dbname=make_url(store).database, autocommit=True
    ) as connection:
        yield connection
