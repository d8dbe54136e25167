"""What every test can ask for: real stores, applications on them, accounts, and moved time."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
import redis
import time_machine
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from pydantic import SecretStr
from sqlalchemy.orm import Session as Sql

from carelink_api import create_app
from carelink_api.config import PREFIX, Settings
from carelink_api.extensions import db
from tests import forked
from tests.auth_helper import Auth
from tests.engines import share_compiled_statements
from tests.order import pytest_collection_finish as pytest_collection_finish
from tests.order import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.patience import wait_for_redis, wait_for_slow_transactions
from tests.servers import ApiServer, PostgresServer, SettledServer, ValkeyServer
from tests.stores import PostgresStore, SqliteStore, Store
from tests.tracing import pytest_runtest_protocol as pytest_runtest_protocol

MakeSettings = Callable[..., Settings]
MakeApp = Callable[..., Flask]
MakeServer = Callable[..., ApiServer]
TEST_SETTINGS: dict[str, Any] = {
    "env": "development",
    "jwt_secret_key": "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x",  # of the tests alone
    "password_hash_memory_kib": 64,
    "password_hash_iterations": 1,
    "ratelimit_enabled": False,
    "denylist_check": os.environ.get("CHECK", "memory"),
}
"""`CHECK=redis make test` runs everything where Redis is asked with every request."""
PRODUCTION: dict[str, Any] = {
    "env": "production",
    "password_hash_memory_kib": 19456,
    "password_hash_iterations": 2,
    "ratelimit_enabled": True,
}
"""What a start in production demands beyond the settings of the tests."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "settings(**overrides): settings of the fixture `app`")
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]  # the shell's settings are not the tests'
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every process compiles it all anew
    sys.dont_write_bytecode = False
    forked.wanted = True
    wait_for_slow_transactions()


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """The Valkey of this test process. A test that breaks it makes its own instead."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL of this test process. A test that breaks it makes its own instead."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The URL of an empty Valkey."""
    with valkey.client() as client:
        client.flushall()
    return valkey.url


@pytest.fixture
def redis_client(valkey: ValkeyServer, redis_url: str) -> Iterator[redis.Redis]:
    """A client of the test's own, for looking at what the application has written."""
    with valkey.client() as client:
        yield client


@pytest.fixture(scope="session")
def _stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    return {}


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    _stores: dict[str, Store],
) -> str:
    """The URL of a fresh migrated database; the test runs once on each kind."""
    kind: str = request.param
    if kind not in _stores and kind == "sqlite":
        _stores[kind] = SqliteStore(tmp_path_factory.mktemp("template"), migrate)
    if kind not in _stores:
        _stores[kind] = PostgresStore(request.getfixturevalue("postgres"), migrate)
    return _stores[kind].fresh(tmp_path)


def migrate(url: str) -> None:
    """Run every migration on the database."""
    app = create_app(
        Settings(**TEST_SETTINGS, sqlalchemy_database_uri=url, redis_url="unix:///nonexistent"),
        background=False,
    )
    with app.app_context():
        flask_migrate.upgrade()
    close(app)


def close(app: Flask) -> None:
    """Let go of every connection of an application."""
    runtime = app.extensions["carelink"]
    runtime.pulse.close()
    runtime.activity._engine.dispose()
    runtime.denylist.client.close()
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def make_settings(store: str, redis_url: str, tmp_path: Path) -> MakeSettings:
    """Return settings on this test's stores; any setting by name."""

    def make(**overrides: Any) -> Settings:
        stores = {"sqlalchemy_database_uri": store, "redis_url": redis_url}
        return Settings.load(tmp_path, **(TEST_SETTINGS | stores | overrides))

    return make


@pytest.fixture
def settings(request: pytest.FixtureRequest, make_settings: MakeSettings) -> Settings:
    """The settings of `app`: the test's own with `@pytest.mark.settings(…)`."""
    overrides: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("settings"))):
        overrides |= mark.kwargs
    return make_settings(**overrides)


@pytest.fixture
def make_app(make_settings: MakeSettings, valkey: ValkeyServer) -> Iterator[MakeApp]:
    """Return an application with other settings, or a second worker on the same stores.

    No background threads run: call `app.extensions["carelink"].pulse.beat()` by hand.
    """
    made: list[Flask] = []

    def make(settings: Settings | None = None, **overrides: Any) -> Flask:
        settings = settings or make_settings(**overrides)
        app = create_app(settings, background=False)
        made.append(app)
        share_compiled_statements(app)
        if settings.redis_url == valkey.url:  # which no test breaks
            wait_for_redis(app)
        return app

    yield make
    for app in made:
        close(app)


@pytest.fixture
def app(make_app: MakeApp, settings: Settings) -> Flask:
    """An application on fresh stores, which has looked for ended sessions once."""
    app = make_app(settings)
    assert app.extensions["carelink"].pulse.beat()
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def auth(app: Flask, client: FlaskClient) -> Auth:
    """Accounts and calls of the auth API, on `app` and `client`."""
    return Auth(app, client)


@pytest.fixture
def sql(app: Flask) -> Iterator[Sql]:
    """A session of the test's own on `app`'s database, outside any application context.

    End its transaction (`commit`, `rollback`) before looking again at what a request has changed.
    """
    with app.app_context():
        engine = db.engine
    with Sql(engine) as session:
        yield session


class Travel:
    """Time, moved by hand, forward from the real now. Redis keeps the real time."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def __call__(self, seconds: float) -> None:
        """Let `seconds` pass."""
        assert seconds >= 0, "time goes forward only"
        self._traveller.shift(timedelta(seconds=seconds))

    def to(self, moment: datetime) -> None:
        """Let time pass until `moment`."""
        self((moment - datetime.now(moment.tzinfo)).total_seconds())


@pytest.fixture
def travel() -> Iterator[Travel]:
    """Move time: `travel(60)`, `travel.to(moment)`. It also goes on by itself."""
    with time_machine.travel(datetime.now().astimezone(), tick=True) as traveller:
        yield Travel(traveller)


@pytest.fixture
def api_server(make_settings: MakeSettings) -> Iterator[MakeServer]:
    """Start real servers on this test's stores: `api_server(workers=3, rotation_grace_seconds=0)`.

    Their time is the real one.
    """
    started: list[ApiServer] = []

    def start(*, workers: int = 2, blocking_threads: int = 16, **overrides: Any) -> ApiServer:
        env = environment(make_settings(**overrides))
        server = SettledServer(env, workers=workers, blocking_threads=blocking_threads)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.close()


def environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment variables that bring a process these settings."""
    return dict(_variables(PREFIX, settings.model_dump(mode="python", exclude_unset=True)))


def _variables(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _variables(f"{prefix}{name.upper()}__", value)
        elif isinstance(value, SecretStr):
            yield prefix + name.upper(), value.get_secret_value()
        else:
            yield prefix + name.upper(), value if isinstance(value, str) else json.dumps(value)
