"""The guard's table, cell by cell, over a real Valkey and real SQL that really fail.

On SQLite the worker may answer from memory alone, on PostgreSQL it asks Redis every time.
"""

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.sessions.denylist import Entry
from carelink_api.sessions.pulse import FRESH_SECONDS
from carelink_api.sessions.reasons import EndReason
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.servers import ValkeyServer
from tests.sessions.helpers import BreakSql, end_elsewhere, move_end, parts, settle

REDIS_WAYS = ["hit", "miss", "paused with a hit", "paused", "stopped"]
PULSE_WAYS = ["fresh", "stale, SQL answers", "stale, SQL gone", "never read, SQL answers",
              "never read, SQL gone", "fresh, and it hears"]  # fmt: skip
CLEAN, UNAVAILABLE = "clean", "unavailable"


def expected(memory: str, redis: str, pulse: str, *, alone: bool) -> str:
    """Return what the table says: a reason, clean or unavailable."""
    if pulse == "never read, SQL gone":
        return UNAVAILABLE  # nor has it read which keys hold: no token means anything
    if memory == "hit":
        return "idle"  # the reason that only the memory knows
    if alone:
        return CLEAN
    if redis == "hit":
        return "shift_ended"  # the one that only Redis knows
    if redis == "miss" or pulse.startswith("fresh") or pulse.endswith("SQL answers"):
        return CLEAN
    return UNAVAILABLE


@dataclass
class World:
    """One worker, one good access token, and the stores under both."""

    app: Flask
    token: str
    sid: str
    valkey: ValkeyServer
    travel: Travel
    broken_sql: BreakSql

    @property
    def may_answer_alone(self) -> bool:
        return parts(self.app).hearing is not None

    def entry(self, reason: str) -> Entry:
        now = clock.now()
        return Entry(self.sid, reason, now, now + timedelta(hours=12))

    def set_memory(self, way: str) -> None:
        if way == "hit":
            parts(self.app).pulse.remember([self.entry("idle")])

    def set_redis(self, way: str) -> None:
        if way.endswith("hit"):
            assert parts(self.app).denylist.publish([self.entry("shift_ended")])
        if way.startswith("paused"):
            self.valkey.pause()
        if way == "stopped":
            self.valkey.stop()

    def set_pulse(self, way: str) -> contextlib.AbstractContextManager[None]:
        pulse = parts(self.app).pulse
        if not way.startswith("never"):
            assert pulse.beat()
        if way.startswith("stale"):
            self.travel(FRESH_SECONDS + 1)
        if way.endswith("hears") and self.may_answer_alone:
            settle(self.app, self.travel)
        if way.endswith("gone"):
            return self.broken_sql(pulse._engine)
        return contextlib.nullcontext()

    def ask(self) -> str:
        """Verify the access token over HTTP: that route asks the guard, and nothing else."""
        return said(Auth(self.app).verify(self.token))


def said(answer: TestResponse) -> str:
    body: dict[str, Any] = answer.get_json()
    if answer.status_code == 200:
        return CLEAN
    if answer.status_code == 503:
        assert body["code"] == "unavailable"
        assert answer.content_type == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
        return UNAVAILABLE
    assert (answer.status_code, body["code"]) == (401, "token_not_valid")
    return str(body["reason"])


@pytest.fixture
def world(
    make_app: MakeApp, fragile: ValkeyServer, travel: Travel, broken_sql: BreakSql, store: str
) -> World:
    """A worker that has not looked into SQL yet; another one let the user in."""
    auth = Auth(make_app(redis_url=fragile.url))
    auth.create_user()
    answer = auth.tokens()
    check = "memory" if store.startswith("sqlite") else "redis"
    app = make_app(redis_url=fragile.url, denylist_check=check)
    return World(app, answer["access"], answer["session"]["id"], fragile, travel, broken_sql)


@pytest.mark.parametrize("memory", ["hit", "miss"])
@pytest.mark.parametrize("redis", REDIS_WAYS)
@pytest.mark.parametrize("pulse", PULSE_WAYS)
def test_the_table(world: World, memory: str, redis: str, pulse: str) -> None:
    with world.set_pulse(pulse):
        world.set_memory(memory)
        world.set_redis(redis)
        alone = world.may_answer_alone and pulse.endswith("hears")
        says = expected(memory, redis, pulse, alone=alone)
        assert world.ask() == says
        assert world.ask() == says, "and again, the breaker open"


@pytest.mark.parametrize("redis", ["miss", "paused", "stopped"])
@pytest.mark.parametrize("pulse", ["stale, SQL answers", "never read, SQL answers"])
def test_a_look_into_sql_finds_what_redis_has_lost(
    world: World, sql: Sql, redis: str, pulse: str
) -> None:
    with world.set_pulse(pulse):
        world.set_redis(redis)
        end_elsewhere(sql, [world.sid], clock.now(), EndReason.USER_DISABLED)
        assert world.ask() == "user_disabled"


def test_a_worker_cut_off_from_sql_still_refuses_what_redis_holds(world: World) -> None:
    with world.set_pulse("stale, SQL gone"):
        world.set_redis("hit")
        assert world.ask() == "shift_ended"


def test_a_worker_cut_off_from_both_works_again_when_one_is_back(world: World) -> None:
    with world.set_pulse("stale, SQL gone"):
        world.set_redis("paused")
        assert world.ask() == UNAVAILABLE
    assert world.ask() == CLEAN


def test_a_worker_whose_redis_is_back_asks_it_after_the_probe(world: World) -> None:
    with world.set_pulse("stale, SQL gone"):
        world.set_redis("paused with a hit")
        assert world.ask() == UNAVAILABLE
        world.valkey.resume()
        assert world.ask() == UNAVAILABLE, "a request never probes"
        parts(world.app).denylist.probe()
        assert world.ask() == "shift_ended"


def test_a_rotated_or_logged_out_token_is_refused_as_revoked(world: World) -> None:
    runtime = parts(world.app)
    with world.app.app_context():
        jti = runtime.verify_access(world.token).jti
    now = clock.now()
    listed = Entry(world.sid, "rotated", now, now + timedelta(hours=1), jti)
    assert runtime.denylist.publish([listed])
    assert world.ask() == "revoked"


def test_an_end_that_lies_ahead_is_refused_when_it_comes(world: World, sql: Sql) -> None:
    move_end(sql, world.sid, clock.now() + timedelta(minutes=5))
    assert parts(world.app).pulse.beat()
    assert world.ask() == CLEAN
    world.travel(301)
    assert world.ask() == "shift_ended"


@pytest.mark.parametrize("way", ["flushed", "paused", "stopped"])
def test_whatever_happens_to_redis_nobody_healthy_is_thrown_out(world: World, way: str) -> None:
    assert parts(world.app).pulse.beat()
    if way == "flushed":
        with world.valkey.client() as client:
            client.flushall()
    world.set_redis(way)
    for _ in range(3):
        assert said_of_me(world) == 200
        parts(world.app).pulse.beat()


def said_of_me(world: World) -> int:
    return Auth(world.app).me(world.token).status_code


def test_a_guarded_route_answers_503_where_nobody_can_tell(world: World) -> None:
    with world.set_pulse("stale, SQL gone"):
        world.set_redis("stopped")
        answer = Auth(world.app).me(world.token)
        assert said(answer) == UNAVAILABLE
        assert "WWW-Authenticate" not in answer.headers


def test_a_session_ended_elsewhere_is_refused_after_the_next_beat_without_redis(
    world: World, sql: Sql
) -> None:
    assert parts(world.app).pulse.beat()
    end_elsewhere(sql, [world.sid], clock.now())
    assert parts(world.app).pulse.beat()
    assert world.ask() == "revoked"
    with world.valkey.client() as client:
        assert client.dbsize() == 0, "asking writes nothing"
