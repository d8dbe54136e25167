"""The command `doctor`, on real stores."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session as Sql

import carelink_api
from carelink_api.ops.doctor_acl import NEEDED
from tests.auth_helper import Auth
from tests.conftest import PRODUCTION, MakeApp, Travel
from tests.engines import clock_that_stays
from tests.ops.commands import NO_DATABASES, NO_REDIS, sqlite_only
from tests.servers import PostgresServer, ValkeyServer


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Valkey whose settings a test may change."""
    with ValkeyServer() as server:
        yield server


def told(runner: FlaskCliRunner) -> tuple[int, dict[str, str]]:
    """Return the exit code, and each check's state."""
    result = runner.invoke(args=["doctor", "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    answer = json.loads(result.stdout)
    assert answer["safe"] is (result.exit_code == 0)
    return result.exit_code, {row["check"]: row["state"] for row in answer["checks"]}


def test_it_finds_the_tests_own_stores_safe(runner: FlaskCliRunner, store: str) -> None:
    assert runner.invoke(args=["housekeep", "--once"]).exit_code == 0
    code, states = told(runner)
    assert code == 0
    assert states["environment"] == "warn"  # development
    assert states["migrations"] == states["redis: role"] == states["clock of redis"] == "ok"
    assert states["housekeeper"] == "ok"
    if store.startswith("postgresql"):
        assert states["clock of the database"] == "ok"
        assert states["database account"] == "warn"  # the tests' superuser
        assert states["way to the database"] == "ok"  # a unix socket


@sqlite_only
def test_for_people_it_says_why_and_how_to_mend(runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["doctor"])
    assert result.exit_code == 0, result.output
    assert "CARELINK_ENV is development." in result.stdout
    assert "Set CARELINK_ENV=production" in result.stdout


@sqlite_only
def test_what_is_unsafe_ends_it_with_exit_code_1(make_app: MakeApp, server: ValkeyServer) -> None:
    with server.client() as client:
        client.config_set("appendonly", "no")
    settings = PRODUCTION | {"redis_url": server.url}
    runner = make_app(**settings).test_cli_runner()
    code, states = told(runner)
    assert code == 1
    unsafe = [name for name, state in states.items() if state == "unsafe"]
    assert unsafe == ["redis: append-only file"]
    result = runner.invoke(args=["doctor"])
    assert result.exit_code == 1
    assert "Error: Unsafe: redis: append-only file." in result.stderr


def test_without_redis_it_says_so_and_checks_the_rest(make_app: MakeApp) -> None:
    code, states = told(make_app(redis_url=NO_REDIS).test_cli_runner())
    assert (code, states["Redis"], states["migrations"]) == (1, "unsafe", "ok")


@sqlite_only
@pytest.mark.parametrize("url", NO_DATABASES)
def test_without_a_database_it_says_so_and_checks_the_rest(make_app: MakeApp, url: str) -> None:
    code, states = told(make_app(sqlalchemy_database_uri=url).test_cli_runner())
    assert (code, states["database"], states["redis: role"]) == (1, "unsafe", "ok")


@sqlite_only
def test_a_database_that_was_never_migrated_is_unsafe(make_app: MakeApp, tmp_path: Any) -> None:
    app = make_app(sqlalchemy_database_uri=f"sqlite:///{tmp_path}/empty.db")
    code, states = told(app.test_cli_runner())
    assert (code, states["migrations"]) == (1, "unsafe")


def test_a_clock_that_is_off_is_found(runner: FlaskCliRunner, travel: Travel, store: str) -> None:
    with clock_that_stays():
        travel(60)  # ours: the servers keep the real time
        code, states = told(runner)
    assert (code, states["clock of redis"]) == (1, "unsafe")
    assert states.get("clock of the database", "unsafe") == "unsafe"


@sqlite_only
def test_an_account_without_the_channel_is_found(make_app: MakeApp, server: ValkeyServer) -> None:
    runner = make_app(redis_url=server.url, denylist_check="memory").test_cli_runner()
    assert told(runner)[1]["messages between workers"] == "ok"
    with server.client() as client:
        client.execute_command("ACL SETUSER default resetchannels")
    code, states = told(runner)
    assert (code, states["messages between workers"]) == (0, "warn")


def test_a_housekeeper_that_is_missing_and_a_trail_without_a_seal_are_found(
    runner: FlaskCliRunner, auth: Auth, travel: Travel
) -> None:
    assert told(runner)[1]["housekeeper"] == "warn"  # nobody ever was
    assert runner.invoke(args=["housekeep", "--once"]).exit_code == 0
    auth.create_user()
    auth.tokens()
    travel(110)
    states = told(runner)[1]
    assert (states["housekeeper"], states["audit trail's seal"]) == ("ok", "ok")
    travel(20)
    states = told(runner)[1]
    assert (states["housekeeper"], states["audit trail's seal"]) == ("warn", "warn")
    assert runner.invoke(args=["housekeep", "--once"]).exit_code == 0
    states = told(runner)[1]
    assert (states["housekeeper"], states["audit trail's seal"]) == ("ok", "ok")


@pytest.fixture
def modest_url(store: str, postgres: PostgresServer) -> str:
    """The URL of the store for an account that may only read; SQLite has no accounts."""
    if store.startswith("sqlite"):
        return store
    postgres.execute(
        "DO $$ BEGIN CREATE ROLE modest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO modest", "store")
    return store.replace("postgres@", "modest@")


def test_an_account_that_is_no_superuser_is_fine(make_app: MakeApp, modest_url: str) -> None:
    app = make_app(sqlalchemy_database_uri=modest_url)
    assert told(app.test_cli_runner())[1]["database account"] == "ok"


ACL = (Path(carelink_api.__file__).parent / "deployment" / "users.acl").read_text()


def serving_user(server: ValkeyServer, *changes: str) -> str:
    """Make the user of `users.acl`, less what `changes` take, and return its URL."""
    (line,) = (line for line in ACL.splitlines() if line.startswith("user carelink "))
    rules = [word for word in line.split()[2:] if not word.startswith("#")]
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "carelink", "reset", ">pw", *rules, *changes)
    return f"unix://carelink:pw@{server.socket}"


@sqlite_only
def test_the_account_of_users_acl_may_do_what_is_needed_and_no_more(
    make_app: MakeApp, server: ValkeyServer
) -> None:
    app = make_app(**PRODUCTION, redis_url=serving_user(server))
    assert told(app.test_cli_runner())[1]["redis: account"] == "ok"
    with server.client() as client:
        assert client.dbsize() == 0  # to try it out leaves nothing behind


@sqlite_only
@pytest.mark.parametrize(
    ("change", "state"),
    [("-unlink", "unsafe"), ("-mget", "unsafe"), ("+flushall", "warn"), ("+config|set", "warn"),
     ("~*", "warn")],
)  # fmt: skip
def test_an_account_that_may_too_little_or_too_much_is_found(
    make_app: MakeApp, server: ValkeyServer, change: str, state: str
) -> None:
    app = make_app(**PRODUCTION, redis_url=serving_user(server, change))
    with server.client() as client:
        client.set("kept", "1")
    assert told(app.test_cli_runner())[1]["redis: account"] == state
    with server.client() as client:
        assert client.get("kept") == "1"


def test_every_command_of_users_acl_is_tried_out() -> None:
    (line,) = (line for line in ACL.splitlines() if line.startswith("user carelink "))
    allowed = {word[1:] for word in line.split() if word.startswith("+")}
    assert allowed - set(NEEDED) == {"client|setinfo", "publish", "subscribe"}
    assert set(NEEDED) <= allowed


@sqlite_only
def test_a_database_of_other_keys_than_the_settings_open_is_unsafe(
    runner: FlaskCliRunner, make_app: MakeApp
) -> None:
    assert told(runner)[1]["ring"] == "ok"
    assert runner.invoke(args=["keys", "add", "--algorithm", "EdDSA"]).exit_code == 0
    assert told(runner)[1]["seals of keys"] == "ok"
    other = make_app(jwt_secret_key="Pw4Tz9-kS2vN7xM5bJ1hG8fD6cR3qL0y")
    code, states = told(other.test_cli_runner())
    assert (code, states["seals of keys"]) == (1, "unsafe")


@sqlite_only
def test_a_replica_of_redis_is_unsafe(make_app: MakeApp, server: ValkeyServer) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")  # nobody is there
    code, states = told(make_app(redis_url=server.url).test_cli_runner())
    assert (code, states["redis: role"]) == (1, "unsafe")


def test_a_trail_that_nothing_guards_is_found(runner: FlaskCliRunner, sql: Sql) -> None:
    on = " ON audit_events" if sql.get_bind().dialect.name == "postgresql" else ""
    trigger = sql.scalar(text(_GUARD[bool(on)]))
    sql.execute(text(f"DROP TRIGGER audit_events_no_delete{on}"))
    sql.commit()
    try:
        assert told(runner)[1]["audit trail"] == "warn"
    finally:
        sql.execute(text(trigger or ""))
        sql.commit()
    assert told(runner)[1]["audit trail"] == "ok"


_GUARD = (
    "SELECT sql FROM sqlite_master WHERE name = 'audit_events_no_delete'",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'audit_events_no_delete'",
)
