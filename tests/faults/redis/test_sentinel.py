"""A primary that fails over to its replica, with entries lost or with both alive for a while."""

from collections.abc import Iterator

import pytest
import redis

from carelink_api.sessions.denylist import session_key
from tests.faults.crowd import Pair
from tests.faults.redis.conftest import Load, Place, place
from tests.faults.redis.servers import Sentinel, Valkey
from tests.processes import wait_for
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
def pair_of_servers() -> Iterator[list[Valkey]]:
    with Valkey(tcp=True) as one, Valkey(tcp=True) as other:
        with other.client() as client:
            client.replicaof("127.0.0.1", str(one.port))
        yield [one, other]


@pytest.fixture(scope="module")
def sentinel(pair_of_servers: list[Valkey]) -> Iterator[Sentinel]:
    with Sentinel(pair_of_servers[0]) as running:
        yield running


@pytest.fixture(scope="module")
def ward(
    postgres: PostgresServer, sentinel: Sentinel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster"
    with place("Redis behind Sentinel", url, postgres, tmp_path_factory.mktemp("ward")) as running:
        yield running


@pytest.fixture
def primary(sentinel: Sentinel, pair_of_servers: list[Valkey]) -> Valkey:
    """The one that the Sentinel calls primary; the other follows it."""
    port = sentinel.primary_port()
    found = next(one for one in pair_of_servers if one.port == port)
    wait_for(lambda: sentinel.could_promote() and _followers(found) == 1, "a replica in step")
    return found


@pytest.fixture
def replica(primary: Valkey, pair_of_servers: list[Valkey]) -> Valkey:
    return next(one for one in pair_of_servers if one is not primary)


def test_a_primary_dies_whose_replica_lags(
    load: Load, sentinel: Sentinel, primary: Valkey, replica: Valkey
) -> None:
    with load("the primary dies, the replica lags by the last entries") as crowd:
        replica.pause()
        with primary.client() as client:  # else it reads what waits in its socket first
            client.client_kill_filter(_type="replica")
        pair = crowd.start()
        answered_at = crowd.end(pair)
        crowd.begin()
        primary.kill()
        replica.resume()
        crowd.watch(pair, answered_at)
        crowd.revoke_until(200)
        assert sentinel.primary_port() == replica.port
        assert not _is_listed(replica, pair)
        crowd.work_on()
        primary.start()


def test_an_old_primary_comes_back_and_believes_it_is_one(
    load: Load, sentinel: Sentinel, primary: Valkey, replica: Valkey
) -> None:
    with load("the primary hangs, comes back and believes for a while") as crowd:
        crowd.begin()
        primary.pause()
        wait_for(lambda: sentinel.primary_port() == replica.port, "another primary")
        crowd.revoke_until(200)
        pair = crowd.start()
        answered_at = crowd.end(pair)
        primary.resume()
        assert not _has_given_in(primary)
        assert not _is_listed(primary, pair)
        crowd.watch(pair, answered_at)
        crowd.revoke(2)
        wait_for(lambda: _has_given_in(primary), "the old primary to give in")
        crowd.revoke_until(200)
        crowd.work_on()


def _followers(server: Valkey) -> int:
    with server.client() as client:
        return int(client.info("replication")["connected_slaves"])


def _has_given_in(server: Valkey) -> bool:
    try:
        with server.client() as client:
            return bool(client.info("replication")["role"] == "slave")
    except redis.ConnectionError:  # the Sentinel ends every connection when it makes it a replica
        return False


def _is_listed(server: Valkey, pair: Pair) -> bool:
    with server.client() as client:
        return bool(client.exists(session_key(pair["session"]["id"])))
