"""One server that is emptied, hangs, dies, forgets, is full, evicts or takes no writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from carelink_api.sessions.denylist import PREFIX, session_key
from tests.faults.crowd import Pair
from tests.faults.redis.conftest import Load, Place, place
from tests.faults.redis.servers import Valkey
from tests.processes import free_port, wait_for
from tests.servers import PostgresServer

DEAD = ("127.0.0.1", free_port())
"""An address where nobody listens."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as running:
        yield running


@pytest.fixture(scope="module")
def ward(
    postgres: PostgresServer, server: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with place("Redis", server.url, postgres, tmp_path_factory.mktemp("ward")) as running:
        yield running


@pytest.fixture
def looker(server: Valkey) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


@contextmanager
def configured(looker: redis.Redis, values: dict[str, Any]) -> Iterator[None]:
    """Set options of the server for a while."""
    before: dict[str, Any] = {name: looker.config_get(name)[name] for name in values}
    for name, value in values.items():
        looker.config_set(name, value)
    yield
    for name, value in before.items():
        looker.config_set(name, value)


def is_listed(looker: redis.Redis, pair: Pair) -> bool:
    return bool(looker.exists(session_key(pair["session"]["id"])))


def test_redis_is_emptied(load: Load, looker: redis.Redis) -> None:
    with load("emptied, again and again (`FLUSHALL`)") as crowd:
        crowd.begin()
        for _ in range(3):
            pair = crowd.start()
            answered_at = crowd.end(pair)
            assert is_listed(looker, pair)
            looker.flushall()
            crowd.watch(pair, answered_at)
        crowd.work_on()


def test_redis_loses_single_entries(load: Load, looker: redis.Redis) -> None:
    with load("single entries deleted") as crowd:
        crowd.begin()
        for _ in range(3):
            pair = crowd.start()
            answered_at = crowd.end(pair)
            sid = pair["session"]["id"]
            assert looker.delete(*looker.scan_iter(match=f"{PREFIX}[{{]{sid}[}}]*"))
            crowd.watch(pair, answered_at)
        crowd.work_on()


def test_redis_hangs(load: Load, server: Valkey, looker: redis.Redis) -> None:
    with load("hangs (`SIGSTOP`), then goes on") as crowd:
        pair = crowd.start()
        answered_at = crowd.end(pair)
        crowd.begin()
        server.pause()
        try:
            crowd.watch(pair, answered_at)
            assert crowd.revoke(2) == {202}
            crowd.work_on()
        finally:
            server.resume()
        crowd.revoke_until(200)
        crowd.work_on()


def test_redis_is_gone(load: Load, server: Valkey) -> None:
    with load("killed (`SIGKILL`), restarted with its file") as crowd:
        pair = crowd.start()
        answered_at = crowd.end(pair)
        crowd.begin()
        server.kill()
        crowd.watch(pair, answered_at)
        assert crowd.revoke(2) == {202}
        crowd.work_on()
        server.start()
        crowd.revoke_until(200)
        crowd.work_on()


def test_redis_comes_back_with_half_its_file(
    load: Load, server: Valkey, looker: redis.Redis
) -> None:
    with load("killed, restarted from an append-only file cut in two") as crowd:
        looker.flushall()
        server.compact()
        pairs = [crowd.start() for _ in range(2)]
        ended = [(pair, crowd.end(pair)) for pair in pairs]
        crowd.begin()
        server.kill()
        os.truncate(server.appended, server.appended.stat().st_size // 2)
        server.start()
        for pair, answered_at in ended:
            crowd.watch(pair, answered_at)
        assert not is_listed(looker, pairs[-1])
        crowd.revoke_until(200)
        crowd.work_on()


def test_redis_comes_back_from_an_old_file(load: Load, server: Valkey, looker: redis.Redis) -> None:
    with load("killed, restarted from an old append-only file") as crowd:
        kept = server.keep()
        pair = crowd.start()
        answered_at = crowd.end(pair)
        assert is_listed(looker, pair)
        crowd.begin()
        server.kill()
        server.put_back(kept)
        server.start()
        crowd.watch(pair, answered_at)
        assert not is_listed(looker, pair)
        crowd.revoke_until(200)
        crowd.work_on()


def test_redis_loads_its_file(load: Load, server: Valkey, looker: redis.Redis) -> None:
    with load("restarted, loads its file for a while (`LOADING`)") as crowd:
        with looker.pipeline(transaction=False) as pipe:
            for number in range(600):
                pipe.set(f"filler:{number}", os.urandom(100))
            pipe.execute()
        server.compact()
        crowd.begin()
        server.kill()
        slowly = {"key-load-delay": "5000", "loading-process-events-interval-bytes": "1024"}
        server.launch(slowly)
        with pytest.raises(redis.BusyLoadingError):
            looker.ping()
        assert crowd.revoke(2) == {202}
        crowd.work_on()
        wait_for(server.answers, "the file to be loaded")
        crowd.revoke_until(200)
        looker.config_set("key-load-delay", 0)
        looker.delete(*looker.scan_iter(match="filler:*", count=1000))
        crowd.work_on()


def test_redis_is_full(load: Load, looker: redis.Redis) -> None:
    with load("full (`maxmemory` with `noeviction`)") as crowd:
        crowd.begin()
        with configured(looker, {"maxmemory": 1}):
            assert crowd.revoke(3) == {202}
            crowd.work_on()
        assert crowd.revoke() == {200}


def test_redis_evicts(load: Load, looker: redis.Redis) -> None:
    with load("full and evicting (`allkeys-random`)") as crowd:
        pair = crowd.start()
        answered_at = crowd.end(pair)
        crowd.begin()
        full = int(looker.info("memory")["used_memory"]) + 200_000
        with configured(looker, {"maxmemory-policy": "allkeys-random", "maxmemory": full}):
            fill_until(looker, lambda: not is_listed(looker, pair))
            crowd.watch(pair, answered_at)
            crowd.revoke(2)
            crowd.work_on()
        looker.flushall()


def fill_until(looker: redis.Redis, done: Any) -> None:
    numbers = iter(range(1_000_000))

    def fill() -> bool:
        for _ in range(200):
            looker.set(f"filler:{next(numbers)}", "x" * 1000)
        return bool(done())

    wait_for(fill, "an entry to be evicted")


def test_redis_is_a_replica(load: Load, looker: redis.Redis) -> None:
    with load("read-only (a replica)") as crowd:
        crowd.begin()
        looker.replicaof(*map(str, DEAD))
        assert crowd.revoke(3) == {202}
        crowd.work_on()
        looker.replicaof("NO", "ONE")
        crowd.revoke_until(200)


def test_redis_misses_its_replicas(load: Load, looker: redis.Redis) -> None:
    with load("takes no writes (`min-replicas-to-write`)") as crowd:
        crowd.begin()
        with configured(looker, {"min-replicas-to-write": 1}):
            assert crowd.revoke(3) == {202}
            crowd.work_on()
        assert crowd.revoke() == {200}


def test_a_replica_without_its_primary_answers_nothing(load: Load, looker: redis.Redis) -> None:
    with load("a replica that will not answer without its primary (`MASTERDOWN`)") as crowd:
        crowd.begin()
        with configured(looker, {"replica-serve-stale-data": "no"}):
            looker.replicaof(*map(str, DEAD))
            assert crowd.revoke(3) == {202}
            crowd.work_on()
            looker.replicaof("NO", "ONE")
        crowd.revoke_until(200)
