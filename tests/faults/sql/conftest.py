"""Stores that the tests of this folder may break, servers and a crowd on them."""

from collections.abc import Callable, Iterator

import pytest

from carelink_api import create_app
from carelink_api.config import Settings
from tests.auth_helper import Account, Auth
from tests.conftest import TEST_SETTINGS, close, environment, migrate
from tests.faults.sql.crowd import Crowd
from tests.servers import ApiServer, PostgresServer, SettledServer, ValkeyServer

StartCrowd = Callable[..., Crowd]
EMAIL = "crowd@ward.example"


@pytest.fixture(scope="package")
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="package")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that loses nothing in a crash: a commit is written before it is answered."""
    with PostgresServer() as server:
        migrate(server.create_database("store"))
        server.execute("ALTER DATABASE store SET synchronous_commit = on")
        yield server


@pytest.fixture(scope="package")
def own_settings(
    own_postgres: PostgresServer, own_valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    stores = {
        "sqlalchemy_database_uri": own_postgres.url("store"),
        "redis_url": own_valkey.url,
        "max_sessions_per_user": 1000,
    }
    return Settings.load(tmp_path_factory.mktemp("instance"), **(TEST_SETTINGS | stores))


@pytest.fixture(scope="package")
def own_account(own_settings: Settings) -> Account:
    return account_on(own_settings)


def account_on(settings: Settings) -> Account:
    app = create_app(settings, background=False)
    account = Auth(app).create_user(EMAIL)
    close(app)
    return account


@pytest.fixture(scope="package")
def own_server(own_settings: Settings) -> Iterator[ApiServer]:
    """Two workers on these stores, with as many threads as docs/operations.md asks for."""
    with SettledServer(environment(own_settings), workers=2, blocking_threads=32) as server:
        yield server


@pytest.fixture
def crowd_on() -> Iterator[StartCrowd]:
    """Log a crowd in: `with crowd_on(server, account) as crowd`."""
    made: list[Crowd] = []

    def make(server: ApiServer, account: Account, size: int = 4) -> Crowd:
        made.append(Crowd(server, account, size))
        return made[-1]

    yield make
    for crowd in made:
        crowd.close()
