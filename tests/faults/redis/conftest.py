"""Two workers on a Redis that a module breaks, and the crowd that works on them meanwhile."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from carelink_api import create_app
from carelink_api.config import Settings
from tests.auth_helper import Account, Auth
from tests.conftest import TEST_SETTINGS, close, environment, migrate
from tests.e2e.clients import Api, each_worker
from tests.faults.crowd import HEALTHY, Crowd
from tests.faults.rows import PROPERTY, Row
from tests.servers import ApiServer, PostgresServer, SettledServer

Load = Callable[[str], AbstractContextManager[Crowd]]


@dataclass
class Place:
    """Two workers on one kind of Redis, and the accounts of those who work there."""

    store: str
    server: ApiServer
    workers: list[Api]
    accounts: list[Account]


@contextmanager
def place(store: str, redis_url: str, postgres: PostgresServer, folder: Path) -> Iterator[Place]:
    """Run two workers as in production: on PostgreSQL, with limits, behind a proxy."""
    url = postgres.create_database(f"faults_{uuid.uuid4().hex[:8]}")
    migrate(url)
    stores = {"sqlalchemy_database_uri": url, "redis_url": redis_url}
    shape = {"ratelimit_enabled": True, "trusted_proxies": 1}
    settings = Settings.load(folder, **(TEST_SETTINGS | stores | shape))
    accounts = _accounts(settings)
    with (
        SettledServer(environment(settings), workers=2) as server,
        each_worker(server) as workers,
    ):
        yield Place(store, server, workers, accounts)


def _accounts(settings: Settings) -> list[Account]:
    app = create_app(settings, background=False)
    auth = Auth(app)
    staying = [auth.create_user(f"stays{one}@ward.example", "doctor") for one in range(HEALTHY)]
    leaving = auth.create_user("leaves@ward.example")
    close(app)
    return [*staying, leaving]


@pytest.fixture
def load(
    ward: Place, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Load:
    """Let the crowd of a module's `ward` work through one fault: `with load("hangs") as crowd:`."""

    @contextmanager
    def work(fault: str) -> Iterator[Crowd]:
        row = Row(ward.store, fault, request.node.name)
        with Crowd(ward.server, ward.workers, ward.accounts, row) as crowd:
            yield crowd
        record_property(PROPERTY, str(row))

    return work
