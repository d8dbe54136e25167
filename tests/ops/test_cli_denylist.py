"""The commands `denylist status`, `flush` and `reload`, as an operator types them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.database import writing
from carelink_api.ops.flushing import flush
from carelink_api.sessions.denylist import Denylist, parse_key, session_key, token_key
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.ops.commands import (
    NO_DATABASES,
    NO_REDIS,
    done,
    done_json,
    entries,
    refused,
    sqlite_only,
)
from tests.processes import free_port, wait_for
from tests.servers import ValkeyServer

ANNA, BEN = "anna@ward.example", "ben@ward.example"
OTHERS_KEY = "carelink:limits:somebody"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Valkey that a test may break."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def ended(auth: Auth, redis_client: redis.Redis) -> dict[str, dict[str, Any]]:
    """Anna has refreshed and logged out, Ben has logged out; limits are in Redis, too."""
    for email in (ANNA, BEN):
        auth.create_user(email)
    tokens = {ANNA: auth.refresh(auth.tokens(ANNA)["refresh"]).get_json(), BEN: auth.tokens(BEN)}
    for pair in tokens.values():
        assert auth.logout(refresh=pair["refresh"]).status_code == 200
    redis_client.set(OTHERS_KEY, "1")
    return tokens


@pytest.fixture
def cluster_url() -> Iterator[str]:
    """The URL of a cluster of one node."""
    config = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with ValkeyServer(tcp=True, config=config) as server, server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: cluster_info(client)["cluster_state"] == "ok", "the cluster")
        yield server.tcp_url.replace("redis://", "redis+cluster://")


def cluster_info(client: redis.Redis) -> dict[str, str]:
    answer: dict[str, str] = client.execute_command("CLUSTER INFO")
    return answer


def sid(tokens: dict[str, Any]) -> str:
    return str(tokens["session"]["id"])


def beat(app: Flask) -> None:
    assert app.extensions["carelink"].pulse.beat()


def flushes(sql: Sql) -> list[AuditEvent]:
    sql.rollback()
    return list(
        sql.scalars(select(AuditEvent).where(AuditEvent.event == Event.DENYLIST_FLUSHED))
    )  # fmt: skip


def test_a_key_is_taken_apart_as_it_was_put_together() -> None:
    assert parse_key(session_key("s-1_")) == ("s-1_", None)
    assert parse_key(token_key("s-1_", "j-2_")) == ("s-1_", "j-2_")


def test_status_counts_what_redis_holds_and_should_hold(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, dict[str, Any]]
) -> None:
    facts = done_json(runner, "denylist", "status")
    held = [parse_key(key)[1] for key in entries(redis_client)]
    assert facts["entries"] == {"sessions": 2, "tokens": len(held) - 2}
    assert facts["entries"]["tokens"] >= 1  # of the refresh
    assert facts["should_hold_sessions"] == 2
    assert facts["warnings"] == []
    (server,) = facts["servers"]
    assert (server["role"], server["policy"], server["append_only"]) == (
        "primary", "noeviction", True,
    )  # fmt: skip
    assert server["server"].startswith("Valkey ")
    assert server["used_memory_bytes"] > 0
    assert server["uptime_seconds"] >= 0
    assert server["maxmemory_bytes"] == 0


@sqlite_only
def test_status_for_people_says_what_is_missing(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, dict[str, Any]]
) -> None:
    table = done(runner, "denylist", "status")
    assert "Entries: 2 sessions" in table
    assert "should hold 2 sessions." in table
    assert "noeviction" in table
    redis_client.delete(session_key(sid(ended[ANNA])))
    assert "1 are missing; the workers refuse them from SQL." in done(runner, "denylist", "status")


@sqlite_only
def test_status_warns_of_a_server_that_may_forget(make_app: MakeApp, server: ValkeyServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "100mb")
    runner = make_app(redis_url=server.url).test_cli_runner()
    table = done(runner, "denylist", "status")
    assert "Warning: Set maxmemory-policy to noeviction" in table
    assert "100.0 MiB" in table


def test_flush_drops_every_entry_and_nothing_else(
    runner: FlaskCliRunner, redis_client: redis.Redis, sql: Sql, ended: dict[str, Any]
) -> None:
    held = len(entries(redis_client))
    facts = done_json(runner, "denylist", "flush", "--yes")
    assert facts["before"] == {"sessions": 2, "tokens": held - 2}
    assert (facts["removed"], facts["kept"]) == (held, 0)
    assert facts["after"] == {"sessions": 0, "tokens": 0}
    assert "refuses ended sessions from SQL" in facts["safe_because"]
    assert entries(redis_client) == []
    assert redis_client.get(OTHERS_KEY) == "1"
    (event,) = flushes(sql)
    assert (event.actor, event.user_id) == ("cli", None)
    assert event.detail == {"sessions": 2, "tokens": held - 2}


def test_after_a_flush_a_revoked_token_is_still_refused_by_every_worker(
    app: Flask, runner: FlaskCliRunner, auth: Auth, ended: dict[str, Any], make_app: MakeApp
) -> None:
    done(runner, "denylist", "flush", "--yes")
    other_worker = make_app()
    for worker in (app, other_worker):
        beat(worker)
        for pair in ended.values():
            calls = Auth(worker)
            assert calls.me(pair["access"]).status_code == 401
            assert calls.refresh(pair["refresh"]).status_code == 401


@sqlite_only
def test_flush_says_once_why_it_is_safe_before_it_asks_where_it_does(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, Any]
) -> None:
    held = len(entries(redis_client))
    no = runner.invoke(args=["denylist", "flush"], input="n\n")
    assert no.exit_code == 1
    assert "It is safe: every worker refuses ended sessions from SQL" in no.stderr
    assert f"Drop {held} entries (2 sessions, {held - 2} tokens)?" in no.stderr
    assert len(entries(redis_client)) == held
    yes = runner.invoke(args=["denylist", "flush"], input="y\n")
    told = f"Before: {held} entries (2 sessions, {held - 2} tokens). After: 0 "
    assert (yes.exit_code, yes.stdout.startswith(told)) == (0, True)
    assert (yes.stderr.count("It is safe"), yes.stdout.count("It is safe")) == (1, 0)
    assert done(runner, "denylist", "reload")
    unasked = runner.invoke(args=["denylist", "flush", "--yes"])
    assert (unasked.exit_code, unasked.output.count("It is safe")) == (0, 1)


@sqlite_only
def test_a_flush_that_was_refused_leaves_no_trace(
    runner: FlaskCliRunner, sql: Sql, ended: dict[str, Any]
) -> None:
    runner.invoke(args=["denylist", "flush"], input="n\n")
    assert flushes(sql) == []


def test_flush_of_a_user_leaves_everybody_elses_entries(
    runner: FlaskCliRunner, redis_client: redis.Redis, sql: Sql, ended: dict[str, Any]
) -> None:
    bens = [key for key in entries(redis_client) if parse_key(key)[0] == sid(ended[BEN])]
    facts = done_json(runner, "denylist", "flush", "--user", ANNA.upper(), "--yes")
    assert facts["before"]["sessions"] == 1
    assert facts["after"] == {"sessions": 0, "tokens": 0}
    assert entries(redis_client) == bens
    (event,) = flushes(sql)
    assert event.user_id is not None
    assert ANNA not in str(event.detail)


def test_flush_of_a_user_whom_nobody_knows_is_a_mistake(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, Any]
) -> None:
    held = entries(redis_client)
    assert "no account" in refused(runner, "denylist", "flush", "--user", "x@y.example", "--yes")
    assert entries(redis_client) == held


def test_flush_keeps_what_only_redis_refuses(
    app: Flask, auth: Auth, runner: FlaskCliRunner, redis_client: redis.Redis, sql: Sql,
    ended: dict[str, Any], make_app: MakeApp,
) -> None:  # fmt: skip
    with writing(sql):  # a backup from before Anna logged out has been restored
        sql.execute(
            update(Session)
            .where(Session.id == sid(ended[ANNA]))
            .values(ended_at=None, end_reason=None, refuse_from=None, change_number=None)
        )
    facts = done_json(runner, "denylist", "flush", "--yes")
    assert (facts["kept"], facts["after"]) == (1, {"sessions": 1, "tokens": 0})
    assert entries(redis_client) == [session_key(sid(ended[ANNA]))]
    other_worker = make_app()
    beat(other_worker)
    assert Auth(other_worker).me(ended[ANNA]["access"]).status_code == 401
    assert "Kept, as SQL does not hold" in done(runner, "denylist", "flush", "--yes")


def test_flush_of_an_empty_denylist_does_nothing(runner: FlaskCliRunner, sql: Sql) -> None:
    assert done(runner, "denylist", "flush") == "Redis holds no such entry; nothing was dropped.\n"
    assert flushes(sql) == []


@sqlite_only
@pytest.mark.parametrize("url", NO_DATABASES)
def test_nothing_is_flushed_while_sql_does_not_answer(
    make_app: MakeApp, redis_client: redis.Redis, ended: dict[str, Any], url: str
) -> None:
    held = entries(redis_client)
    runner = make_app(sqlalchemy_database_uri=url).test_cli_runner()
    assert "The database does not answer" in refused(runner, "denylist", "flush", "--yes")
    assert entries(redis_client) == held


@sqlite_only
def test_nothing_is_flushed_on_the_word_of_an_empty_database(
    make_app: MakeApp, redis_client: redis.Redis, ended: dict[str, Any], tmp_path: Any
) -> None:
    held = entries(redis_client)
    url = f"sqlite:///{tmp_path}/empty.db"
    runner = make_app(sqlalchemy_database_uri=url).test_cli_runner()
    assert "db upgrade" in refused(runner, "denylist", "flush", "--yes")
    assert entries(redis_client) == held


def test_a_flush_looks_into_sql_before_each_step(
    app: Flask, sql: Sql, redis_client: redis.Redis, ended: dict[str, Any], travel: Travel
) -> None:
    denylist: Denylist = app.extensions["carelink"].denylist
    before_they_ended = sql.scalars(select(Session.started_at)).all()[0] - timedelta(seconds=1)
    steps = list(flush(sql, denylist, now=before_they_ended))
    assert sum(step.kept for step in steps) == 2
    assert len(entries(redis_client)) == 2


@sqlite_only
@pytest.mark.parametrize("command", ["status", "flush", "reload"])
def test_without_redis_every_command_fails_in_one_sentence(make_app: MakeApp, command: str) -> None:
    runner = make_app(redis_url=NO_REDIS).test_cli_runner()
    words = ["--yes"] if command == "flush" else []
    assert "Redis does not answer" in refused(runner, "denylist", command, *words)


@sqlite_only
def test_a_redis_that_forbids_the_command_is_told_apart_from_one_that_is_gone(
    make_app: MakeApp, server: ValkeyServer
) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-scan")
    runner = make_app(redis_url=server.url).test_cli_runner()
    words = refused(runner, "denylist", "status")
    assert words == "Error: Redis refused the command (NoPermissionError); see its log and its ACL."


@sqlite_only
def test_a_redis_that_asks_for_a_password_is_not_called_silent(
    make_app: MakeApp, server: ValkeyServer
) -> None:
    with server.client() as client:
        client.config_set("requirepass", "hush")
    runner = make_app(redis_url=server.url).test_cli_runner()
    assert "Redis refused the command" in refused(runner, "denylist", "status")


def test_reload_restores_every_entry_with_its_expiry(
    app: Flask, runner: FlaskCliRunner, redis_client: redis.Redis, sql: Sql,
    ended: dict[str, Any], auth: Auth,
) -> None:  # fmt: skip
    before = {key: redis_client.get(key) for key in map(session_key, map(sid, ended.values()))}
    auth.tokens(BEN)  # a session that lives on is none of it
    redis_client.flushall()
    facts = done_json(runner, "denylist", "reload")
    assert facts["should_hold_sessions"] == 2
    assert facts["before"] == {"sessions": 0, "tokens": 0}
    assert facts["after"] == {"sessions": 2, "tokens": 0}
    assert {key: redis_client.get(key) for key in entries(redis_client)} == before
    margin = app.extensions["carelink.settings"].leeway + timedelta(minutes=1)
    for pair in ended.values():
        row = sql.get_one(Session, sid(pair))
        until = row.latest_expires_at + margin
        assert redis_client.expiretime(session_key(row.id)) == int(until.timestamp()) + 1


@sqlite_only
def test_the_commands_work_on_a_cluster_too(make_app: MakeApp, cluster_url: str) -> None:
    app = make_app(redis_url=cluster_url)
    runner, auth = app.test_cli_runner(), Auth(app)
    auth.create_user()
    assert auth.logout(refresh=auth.tokens()["refresh"]).status_code == 200
    assert done_json(runner, "denylist", "flush", "--yes")["before"]["sessions"] == 1
    done(runner, "denylist", "reload")
    facts = done_json(runner, "denylist", "status")
    assert facts["entries"]["sessions"] == 1
    (node,) = facts["servers"]
    assert (node["node"].partition(":")[0], node["role"]) == ("127.0.0.1", "primary")
    findings = json.loads(runner.invoke(args=["doctor", "--json"]).stdout)["checks"]
    states = {finding["check"]: finding["state"] for finding in findings}
    assert states[f"{node['node']}: role"] == states[f"clock of {node['node']}"] == "ok"


def test_reload_changes_no_entry_that_is_there(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, Any]
) -> None:
    key = session_key(sid(ended[ANNA]))
    redis_client.set(key, "revoked:1", keepttl=True)
    words = done(runner, "denylist", "reload")
    assert words == "Redis holds 2 sessions now, 2 before.\n"
    assert redis_client.get(key) == "revoked:1"


def test_reload_leaves_out_sessions_whose_tokens_have_all_expired(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, Any], travel: Travel
) -> None:
    redis_client.flushall()
    travel(12 * 3600 + 60)
    assert done_json(runner, "denylist", "reload")["should_hold_sessions"] == 0
    assert entries(redis_client) == []


def test_reload_into_a_full_redis_fails_in_one_sentence(
    make_app: MakeApp, server: ValkeyServer, ended: dict[str, Any]
) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")
    runner = make_app(redis_url=server.url).test_cli_runner()
    words = refused(runner, "denylist", "reload")
    assert "Redis did not take every entry" in words


@sqlite_only
def test_a_redis_that_stops_answering_in_the_middle_is_one_sentence(
    app: Flask, runner: FlaskCliRunner, make_app: MakeApp, server: ValkeyServer
) -> None:
    runner = make_app(redis_url=server.url).test_cli_runner()
    assert done_json(runner, "denylist", "status")["entries"] == {"sessions": 0, "tokens": 0}
    server.kill()
    assert "Redis does not answer" in refused(runner, "denylist", "status")


def test_keys_that_none_of_us_has_written_keep_a_flush_from_nothing(
    runner: FlaskCliRunner, redis_client: redis.Redis, ended: dict[str, Any]
) -> None:
    strange = {"carelink:revoked:{a\0b}", "carelink:revoked:" + "x" * 5000}
    for key in strange:
        redis_client.set(key, "revoked:1")
    done(runner, "denylist", "flush", "--yes")
    assert set(entries(redis_client)) == strange
