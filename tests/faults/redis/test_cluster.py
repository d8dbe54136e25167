"""A cluster of three primaries: a node hangs or is lost, slots move, all of it is down."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.crc import key_slot

from carelink_api import redis_client
from carelink_api.sessions.denylist import Denylist, DenylistUnavailable, Entry, session_key
from carelink_api.sessions.grants import new_jti, new_sid
from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth
from tests.conftest import MakeApp
from tests.faults.crowd import Crowd, Pair
from tests.faults.redis.conftest import Load, Place, place
from tests.faults.redis.servers import Cluster, Valkey, cluster
from tests.processes import wait_for
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def ward(
    postgres: PostgresServer, nodes: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with place("Redis Cluster", nodes.url, postgres, tmp_path_factory.mktemp("ward")) as running:
        yield running


@pytest.fixture
def denylist(nodes: Cluster) -> Iterator[Denylist]:
    """A worker's, with a map of the cluster as it is before the test."""
    client = redis_client.build(nodes.url)
    wait_for(lambda: client.ping(), "the cluster")
    yield Denylist(client, leeway=timedelta(seconds=10))
    client.close()


def slot_of(sid: str) -> int:
    return int(key_slot(session_key(sid).encode()))


def sid_on(nodes: Cluster, node: Valkey) -> str:
    """Return a new session's id whose entries lie on that node."""
    slots = nodes.slots_of(node)
    return next(sid for sid in iter(new_sid, "") if slot_of(sid) in slots)


def entry(sid: str, jti: str | None = None) -> Entry:
    now = datetime.now(UTC)
    return Entry(sid, "revoked", now, now + timedelta(hours=1), jti)


def is_held(node: Valkey, sid: str) -> bool:
    """Return whether the node has the session's entry, wherever the slot is going."""
    with node.client() as client:
        return session_key(sid) in client.execute_command("KEYS", "*")


def test_a_session_is_found_while_its_slot_moves(nodes: Cluster, denylist: Denylist) -> None:
    source, target = nodes.nodes[0], nodes.nodes[3]  # the target has no slots and is on no map
    before, during, token = (sid_on(nodes, source) for _ in range(3))
    jti = new_jti()
    assert denylist.publish([entry(before), entry(token, jti)])
    for sid in (before, during, token):
        nodes.begin_move(slot_of(sid), source, target)
    assert denylist.publish([entry(during)])
    assert is_held(target, during)
    assert is_held(source, before)
    for _ in range(3):
        assert denylist.find(before, jti) == "revoked"
        assert denylist.find(during, jti) == "revoked"
        assert denylist.find(token, jti) == "revoked"
        assert denylist.find(token, new_jti()) is None
    for sid in (before, during, token):
        nodes.end_move(slot_of(sid), source, target)
        assert denylist.find(sid, jti) == "revoked"
        assert denylist.publish([entry(sid, new_jti())])
    assert not denylist.breaker_open
    assert denylist.delete([session_key(before), session_key(during)]) == 2


def test_one_node_s_outage_is_that_node_s(nodes: Cluster, denylist: Denylist) -> None:
    lost, well = nodes.nodes[1], nodes.nodes[2]
    there, elsewhere = sid_on(nodes, lost), sid_on(nodes, well)
    assert denylist.publish([entry(elsewhere)])
    lost.pause()
    try:
        with pytest.raises(DenylistUnavailable):
            denylist.find(there, new_jti())
        assert denylist.skips(there)
        assert not denylist.skips(elsewhere)
        denylist.probe()
        assert denylist.skips(there)
        assert denylist.find(elsewhere, new_jti()) == "revoked"
    finally:
        lost.resume()
    nodes.wait_until("ok")
    wait_for(lambda: closes(denylist), "the breaker to close")
    assert denylist.find(there, new_jti()) is None


def test_a_bulk_revocation_reaches_every_node_but_the_one_that_hangs(
    nodes: Cluster, denylist: Denylist
) -> None:
    entries = [entry(new_sid()) for _ in range(2000)]
    hung = nodes.having(slot_of(entries[0].sid))  # the first to be written to
    well = next(node for node in nodes.nodes[:3] if node is not hung)
    hung.pause()
    try:
        assert not denylist.publish(entries)
        with well.client() as client:
            held = set(client.scan_iter(count=1000))
    finally:
        hung.resume()
    slots = nodes.slots_of(well)
    theirs = {one.key for one in entries if slot_of(one.sid) in slots}
    assert len(theirs) > 100
    assert theirs <= held
    nodes.wait_until("ok")


@SQLITE
def test_a_cluster_that_is_down_stops_nobody_from_starting(make_app: MakeApp) -> None:
    with cluster() as late:
        for node in late.nodes:
            node.pause()
        auth = Auth(make_app(redis_url=late.url, ratelimit_enabled=True))
        parts = auth.app.extensions["carelink"]
        assert parts.pulse.beat()
        auth.create_user()
        first, second = auth.tokens(), auth.tokens()
        assert auth.me(second["access"]).status_code == 200
        assert auth.logout(first["refresh"]).status_code == 202
        assert auth.me(first["access"]).get_json()["reason"] == "revoked"
        assert parts.denylist.breaker_open
        for node in late.nodes:
            node.resume()
        late.wait_until("ok")
        wait_for(lambda: closes(parts.denylist), "the breaker to close")
        assert auth.logout(second["refresh"]).status_code == 200
        assert parts.denylist.find(second["session"]["id"], new_jti()) == "logged_out"


def closes(denylist: Denylist) -> bool:
    denylist.probe()
    return not denylist.breaker_open


def start_on(crowd: Crowd, nodes: Cluster, node: Valkey) -> Pair:
    """Start sessions until one lies on that node."""
    slots, pairs = nodes.slots_of(node), iter(crowd.start, None)
    return next(pair for pair in pairs if slot_of(pair["session"]["id"]) in slots)


def test_slots_move_while_sessions_end(load: Load, nodes: Cluster) -> None:
    with load("slots move to a new node meanwhile (`ASK`, `TRYAGAIN`, `MOVED`)") as crowd:
        source, target = nodes.nodes[2], nodes.nodes[3]
        crowd.begin()
        for ends_before in (True, False, True, False):
            pair = start_on(crowd, nodes, source)
            sid, slot = pair["session"]["id"], slot_of(pair["session"]["id"])
            answered_at = crowd.end(pair) if ends_before else None
            nodes.begin_move(slot, source, target)
            crowd.watch(pair, answered_at or crowd.end(pair))
            assert is_held(source if ends_before else target, sid)
            nodes.end_move(slot, source, target)
            assert is_held(target, sid)
            crowd.revoke()
        crowd.work_on()


def test_a_node_of_a_cluster_hangs(load: Load, nodes: Cluster) -> None:
    with load("one of three nodes hangs, then goes on") as crowd:
        hung = nodes.having(slot_of(crowd.sids[0]))
        well = next(node for node in nodes.nodes[:3] if node is not hung)
        set_everywhere(nodes, "cluster-require-full-coverage", "no")
        there, elsewhere = start_on(crowd, nodes, hung), start_on(crowd, nodes, well)
        crowd.begin()
        hung.pause()
        try:
            crowd.watch(elsewhere, crowd.end(elsewhere, {200}))
            crowd.watch(there, crowd.end(there, {202}))
            crowd.revoke(4)
            crowd.work_on()
        finally:
            hung.resume()
        nodes.wait_until("ok")
        crowd.finish(start_on(crowd, nodes, hung))
        crowd.work_on()
        set_everywhere(nodes, "cluster-require-full-coverage", "yes")


def set_everywhere(nodes: Cluster, name: str, value: str) -> None:
    for node in nodes.nodes:
        with node.client() as client:
            client.config_set(name, value)


def test_a_node_of_a_cluster_is_lost(load: Load, nodes: Cluster) -> None:
    with load("one of three nodes is lost, the others refuse (`CLUSTERDOWN`)") as crowd:
        lost = nodes.having(slot_of(crowd.sids[0]))
        well = [node for node in nodes.nodes if node is not lost]
        pair = start_on(crowd, nodes, lost)
        answered_at = crowd.end(pair)
        crowd.begin()
        lost.kill()
        crowd.watch(pair, answered_at)
        nodes.wait_until("fail", well)
        assert crowd.revoke(3) == {202}
        crowd.work_on()
        lost.start()
        nodes.wait_until("ok")
        crowd.revoke_until(200)
        crowd.work_on()


def test_a_replica_takes_over_in_a_cluster(load: Load, nodes: Cluster, denylist: Denylist) -> None:
    with load("one of three nodes is lost, its replica takes over") as crowd:
        lost = nodes.having(slot_of(crowd.sids[0]))
        with nodes.replica(lost) as heir:
            pair = start_on(crowd, nodes, lost)
            answered_at = crowd.end(pair)
            crowd.begin()
            lost.kill()
            crowd.watch(pair, answered_at)
            wait_for(lambda: bool(nodes.slots_of(heir)), "the replica to take over")
            crowd.revoke(2)
            with pytest.raises(DenylistUnavailable):
                denylist.find(pair["session"]["id"], new_jti())
            wait_for(lambda: closes(denylist), "the probe to find the new primary")
            wait_for(lambda: crowd.finish(start_on(crowd, nodes, heir)) == 200, "the new map")
            crowd.work_on()
