"""A Redis Cluster as seen by the denylist and the limits: primaries only, no hidden waiting.

Of redis-py's cluster support only the map of slots and nodes is used. Its `RedisCluster` connects
as soon as it is built, sleeps on CLUSTERDOWN, asks sixteen times on TRYAGAIN, sends what a
pipeline could not deliver once more, command by command and time-out by time-out, and knows no
node without slots, where ASK may lead.
"""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha1
from typing import Any, Literal, Self

from limits.storage import RedisStorage
from redis.cluster import PRIMARY, ClusterNode, NodesManager
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    MovedError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)

Command = tuple[Any, ...]
Bare = Any
"""A client as `redis.Redis` is one; loosely, since its `execute_command` has no types."""
STORE_ERRORS = (RedisError, RedisClusterException)
"""All that a client raises: the second is not a kind of the first."""
_SCRIPTS = ("EVAL", "EVALSHA")
UNKNOWN = "cluster"
"""The place of keys of which nobody has told where they lie."""


class Cluster:
    """Sends each command to the primary that has its first key; connects on first use.

    Raises RedisError and RedisClusterException. A redirection is followed once.
    """

    def __init__(self, nodes: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        self._nodes = list(nodes)
        self._options = options
        self._lock = threading.RLock()
        self._failures = 0
        self._map: Any = None  # untyped
        self._beyond: dict[tuple[str, int], Any] = {}
        """Nodes that the map does not know, since they have no slots yet."""

    def place(self, key: str) -> str:
        """Return the name of the node that has the key by what is known now; no I/O."""
        if self._map is None:
            return UNKNOWN
        having = self._map.slots_cache.get(key_slot(key.encode()))
        return str(having[0].name) if having else UNKNOWN

    def execute_command(self, *command: Any) -> Any:
        """Send one command that has a key."""
        key = _first_key(command)
        try:
            return self.server(key).execute_command(*command)
        except MovedError as error:
            self.learn(error)
            return self.server(key).execute_command(*command)
        except AskError as error:
            return self.ask(error, command)

    def mget(self, *keys: str) -> Any:
        """Return the values of keys of one slot.

        While that slot is moved nobody answers for two keys at once (TRYAGAIN), but for one.
        """
        try:
            return self.server(keys[0]).mget(*keys)
        except MovedError as error:
            self.learn(error)
            return self.server(keys[0]).mget(*keys)
        except (AskError, TryAgainError):
            return [self.execute_command("GET", key) for key in keys]

    def put(self, key: str, value: str, exat: int) -> None:
        """Write a value that expires at `exat` unless there is one."""
        self.execute_command("SET", key, value, "EXAT", exat, "NX")

    def pipeline(self, transaction: bool = False) -> "Batch":
        assert not transaction, "nodes have no transactions in common"
        return Batch(self)

    def register_script(self, script: Any) -> "Script":
        return Script(self, script)

    def ping(self) -> bool:
        """Return whether every primary answers."""
        return all(server.ping() for server in self.primaries().values())

    def info(self) -> Any:
        """Return the facts of one primary."""
        return next(iter(self.primaries().values())).info()

    def scan_iter(self, *args: Any, **options: Any) -> Iterator[Any]:
        for server in self.primaries().values():
            yield from server.scan_iter(*args, **options)

    def primaries(self) -> dict[str, Bare]:
        """Return a client of every primary by its name. Raises RedisClusterException."""
        found = self._connected().get_nodes_by_server_type(PRIMARY)
        return {node.name: self._client(node) for node in found}

    def server(self, key: str) -> Bare:
        """Return a client of the primary that has the key. Raises SlotNotCoveredError."""
        return self._client(self._connected().get_node_from_slot(key_slot(key.encode())))

    def learn(self, error: MovedError) -> None:
        """Note where a slot lies now; no I/O."""
        with contextlib.suppress(KeyError):  # a slot of which nothing was known: a refresh learns
            self._connected().move_slot(error)

    def ask(self, error: AskError, command: Command) -> Any:
        """Send a command to where its key may have been moved already."""
        with self._client(self._node(error)).pipeline(transaction=False) as pipe:
            pipe.execute_command("ASKING")
            pipe.execute_command(*command)
            return pipe.execute()[1]

    def refresh(self) -> None:
        """Learn anew where everything lies; who comes while somebody does so goes on at once.

        Raises RedisClusterException where no node answers.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._map is None:
                self._connect()
            else:
                _learn_map(self._map.initialize, additional_startup_nodes_info=self._nodes)
        finally:
            self._lock.release()

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        for node in self._beyond.values():
            node.redis_connection.close()

    def _connected(self) -> Any:
        """Return the map. Of those who wait for it, one alone tries, and all fail with it."""
        if self._map is None:
            failures = self._failures
            with self._lock:
                if self._map is None and self._failures != failures:
                    raise RedisClusterException("no node has answered just now")
                if self._map is None:
                    self._connect()
        return self._map

    def _connect(self) -> None:
        node: Any = ClusterNode
        startup = [node(host, port) for host, port in self._nodes]
        try:
            self._map = _learn_map(NodesManager, startup, **self._options)
        except STORE_ERRORS:
            self._failures += 1
            raise

    def _client(self, node: Any) -> Bare:
        if node.redis_connection is None:
            with self._lock:
                self._map.create_redis_connections([node])
        return node.redis_connection

    def _node(self, error: AskError) -> Any:
        address = error.node_addr
        known = self._map.get_node(*address)
        if known is not None:
            return known
        node: Any = ClusterNode
        return self._beyond.setdefault(address, node(*address, PRIMARY))


class Batch:
    """Commands of one key each, sent in one go to each node; the answers come in their order."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._commands: list[Command] = []
        self._keys: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.clear()
        self._keys.clear()

    def set(self, key: str, value: str, *, exat: int, nx: Literal[True]) -> None:
        self._add(key, "SET", key, value, "EXAT", exat, "NX")

    def unlink(self, key: str) -> None:
        self._add(key, "UNLINK", key)

    def publish(self, channel: str, message: str) -> None:
        """Nodes pass a message on to all others; it goes to that of the command before it."""
        self._add(self._keys[-1] if self._keys else channel, "PUBLISH", channel, message)

    def _add(self, key: str, *command: Any) -> None:
        self._keys.append(key)
        self._commands.append(command)

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        """Send everything and follow redirections once; raise the first error that is left, or
        return errors among the answers.
        """
        answers = self._send(range(len(self._commands)))
        moved = {at: answer for at, answer in answers.items() if isinstance(answer, MovedError)}
        for answer in moved.values():
            self._cluster.learn(answer)
        answers |= self._send(moved)
        for at, answer in answers.items():
            if type(answer) is AskError:
                answers[at] = self._cluster.ask(answer, self._commands[at])
            elif isinstance(answer, STORE_ERRORS) and raise_on_error:
                raise answer
        return [answers[at] for at in range(len(self._commands))]

    def _send(self, positions: Any) -> dict[int, Any]:
        answers: dict[int, Any] = {}
        servers: dict[Bare, list[int]] = defaultdict(list)
        for at in positions:
            servers[self._cluster.server(self._keys[at])].append(at)
        for server, parts in servers.items():
            try:
                answers |= zip(parts, self._send_to(server, parts), strict=True)
            except STORE_ERRORS as error:  # the other nodes' parts go on
                answers |= dict.fromkeys(parts, error)
        return answers

    def _send_to(self, server: Bare, positions: Sequence[int]) -> list[Any]:
        with server.pipeline(transaction=False) as pipe:
            for at in positions:
                pipe.execute_command(*self._commands[at])
            answers: list[Any] = pipe.execute(raise_on_error=False)
            return answers


class Script:
    """A script that its key's node learns when it does not know it yet."""

    def __init__(self, cluster: Cluster, script: bytes) -> None:
        self._cluster = cluster
        self._script = script
        self._digest = sha1(script, usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[Any], args: Sequence[Any] = ()) -> Any:
        try:
            return self._cluster.execute_command("EVALSHA", self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._cluster.execute_command("EVAL", self._script, len(keys), *keys, *args)


class ClusterLimits(RedisStorage):
    """Flask-Limiter's storage on a cluster, sharing its connections."""

    STORAGE_SCHEME = ["carelink+cluster"]  # noqa: RUF012  (the base class says list)

    def __init__(self, uri: str, *, cluster: Cluster, **options: Any) -> None:
        self._cluster = cluster
        super().__init__("redis://", **options)  # a client that nobody asks anything

    def get_connection(self, readonly: bool = False) -> Any:
        return self._cluster


def _first_key(command: Sequence[Any]) -> str:
    return str(command[3] if command[0] in _SCRIPTS else command[1])


def _learn_map(learn: Any, *args: Any, **options: Any) -> Any:
    try:
        return learn(*args, **options)
    except IndexError as error:  # what redis-py makes of a cluster in which no node has a slot
        raise RedisClusterException("no node has a slot") from error
