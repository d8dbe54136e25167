"""Stores that a test may break, and servers on them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carelink_api.config import Settings
from tests import forked
from tests.conftest import TEST_SETTINGS, environment, migrate
from tests.servers import ROOT, ApiServer, PostgresServer, SettledServer, ValkeyServer

Housekeep = Callable[[ApiServer], None]


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey that this test may hang, kill and empty."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="module")
def _breakable() -> Iterator[tuple[PostgresServer, str]]:
    with PostgresServer() as server:
        url = server.create_database("store")
        migrate(url)
        yield server, url


@pytest.fixture
def own_postgres(_breakable: tuple[PostgresServer, str]) -> Iterator[PostgresServer]:
    """A PostgreSQL that this test may stop; it answers again for the next one."""
    server, _url = _breakable
    yield server
    if not server.answers():
        server.start()


@pytest.fixture
def own_settings(
    own_postgres: PostgresServer,
    own_valkey: ValkeyServer,
    _breakable: tuple[PostgresServer, str],
    tmp_path: Path,
) -> Settings:
    """Settings on the PostgreSQL and the Valkey that this test may break."""
    stores = {"sqlalchemy_database_uri": _breakable[1], "redis_url": own_valkey.url}
    return Settings.load(tmp_path, **(TEST_SETTINGS | stores))


@pytest.fixture
def own_server(own_settings: Settings) -> Iterator[ApiServer]:
    """Two workers on the stores that this test may break."""
    with SettledServer(environment(own_settings), workers=2) as server:
        yield server


@pytest.fixture
def housekeep() -> Housekeep:
    """Run the housekeeper once on a server's stores, as operations would."""

    def run(server: ApiServer) -> None:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "housekeep", "--once"]
        done = forked.run(command, cwd=ROOT, env=server.env)
        assert done.returncode == 0, done.stderr

    return run
