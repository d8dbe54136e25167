"""The one function that builds Redis clients, and the one parser of `CARELINK_REDIS_URL`.

Short time limits and **no library retries**: redis-py's defaults turn a hung server into seconds
per request, and a retried write may land after the answer. Primaries only: a lagging replica
would accept a revoked token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, parse_url
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from .config import UnsafeSettings
from .redis_cluster import STORE_ERRORS as STORE_ERRORS
from .redis_cluster import Cluster, ClusterLimits
from .redis_lookup import LookupRedis, NewEntry

REQUEST_TIMEOUT_SECONDS = 0.1
Client = redis.Redis
_URL_OPTIONS = {"db", "client_name", "max_connections", "health_check_interval", "socket_keepalive"}
"""What a URL's query may set, and `ssl_…`: never time limits, protocol or what values look like."""
_SCHEMES: dict[str, Literal["single", "sentinel", "cluster"]] = {
    "redis": "single",
    "rediss": "single",
    "unix": "single",
    "redis+sentinel": "sentinel",
    "redis+cluster": "cluster",
}


@dataclass(frozen=True)
class RedisTarget:
    """What a Redis URL names."""

    kind: Literal["single", "sentinel", "cluster"]
    url: str
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    username: str | None = None
    password: str | None = None


def parse(url: str) -> RedisTarget:
    """Take a URL apart. Raises UnsafeSettings with a sentence, never with the password."""
    kind = _SCHEMES.get(url.partition("://")[0])
    if kind is None:
        raise UnsafeSettings(f"CARELINK_REDIS_URL must start with one of {', '.join(_SCHEMES)}.")
    try:
        if kind == "single":
            _try_options(url)
            return RedisTarget(kind, url)
        target = _several(kind, url)
    except (ValueError, TypeError, RedisError):  # its text may hold the URL
        raise UnsafeSettings(
            "CARELINK_REDIS_URL has a host, port or option that is none."
        ) from None
    if kind == "sentinel" and not target.service:
        raise UnsafeSettings("CARELINK_REDIS_URL must name the Sentinel service: …/mymaster.")
    return target


def _try_options(url: str) -> None:
    """Make a connection without connecting. Raises ValueError, TypeError or RedisError.

    Unknown options would else fail every request, and known ones could undo our time limits.
    """
    parsed: Any = parse_url  # untyped
    pool: Any = ConnectionPool
    parsed(url)
    options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    if any(name not in _URL_OPTIONS and not name.startswith("ssl_") for name in options):
        raise ValueError("option")
    pool.from_url(url).make_connection()


def _several(kind: Literal["sentinel", "cluster"], url: str) -> RedisTarget:
    parts = urlsplit(url)
    if parts.query:  # nobody would read it
        raise ValueError("option")
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    default_port = 26379 if kind == "sentinel" else 6379
    return RedisTarget(
        kind,
        url,
        tuple(_node(host, default_port) for host in hosts.split(",")),
        parts.path.strip("/"),
        unquote(username) or None,
        unquote(password) or None,
    )


def build(url: str, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> Client:
    """Return a client for any supported URL. It connects on first use."""
    target, options = parse(url), _limits(timeout_seconds)
    if target.kind == "single":
        return LookupRedis.from_url(url, **options)
    options |= {"username": target.username, "password": target.password}
    # Typed loosely: redis-py has no common base class for what behaves alike.
    connect: Any = {"sentinel": _sentinel, "cluster": _cluster}[target.kind]
    return cast(Client, connect(target, options))


def _sentinel(target: RedisTarget, options: dict[str, Any]) -> Any:
    connect: Any = Sentinel
    return connect(list(target.nodes), sentinel_kwargs=options, **options).master_for(
        target.service, redis_class=LookupRedis
    )


def _cluster(target: RedisTarget, options: dict[str, Any]) -> Cluster:
    del options["retry"]  # where nothing else is asked for, nodes have none
    return Cluster(target.nodes, options)


def put(client: Client, key: str, value: str, exat: int) -> None:
    """Write a value that expires at `exat` unless there is one, in one round trip.

    Raises RedisError, RedisClusterException.
    """
    ours: Any = client  # what `build` makes has it, redis-py's class does not
    ours.put(key, value, exat)


def place(client: Client, key: str) -> str:
    """Return the name of what fails as one: the server, or the cluster's node with the key."""
    cluster: object = client
    return cluster.place(key) if isinstance(cluster, Cluster) else "redis"


def primaries(client: Client) -> dict[str, Client]:
    """Return a client of every primary by its name; one server's name is `redis`.

    Raises RedisError, RedisClusterException.
    """
    cluster: object = client
    return cluster.primaries() if isinstance(cluster, Cluster) else {"redis": client}


def set_new(client: Client, entries: Sequence[NewEntry]) -> None:
    """Set each key that is not there yet, until a time: one round trip to each node.

    Raises RedisError, RedisClusterException.
    """
    if isinstance(client, LookupRedis):
        client.set_new(entries)
        return
    with client.pipeline(transaction=False) as pipe:
        for key, value, until in entries:
            pipe.set(key, value, exat=until, nx=True)
        pipe.execute()


def unlink(client: Client, keys: Sequence[str]) -> int:
    """Remove keys without blocking; return how many there were: one round trip to each node.

    Raises RedisError, RedisClusterException.
    """
    if isinstance(client, LookupRedis):
        return client.unlink(*keys)
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.unlink(key)
        return sum(pipe.execute())


def refresh(client: Client) -> None:
    """Learn where a cluster's keys lie now. Raises RedisClusterException."""
    cluster: object = client
    if isinstance(cluster, Cluster):
        cluster.refresh()


def limiter_storage(url: str, client: Client) -> tuple[str, dict[str, Any]]:
    """Return Flask-Limiter's storage URI and options, sharing the pool where it can.

    Its own parser of Sentinel URLs wants every port and takes credentials as they are written, so
    it gets the URL put together again and the credentials as options.
    """
    target = parse(url)
    if target.kind == "single":
        return "redis://", {"connection_pool": client.connection_pool}
    if target.kind == "cluster":
        return f"{ClusterLimits.STORAGE_SCHEME[0]}://", {"cluster": client}
    options = _limits(REQUEST_TIMEOUT_SECONDS)
    given = {"username": target.username, "password": target.password}
    options |= {name: value for name, value in given.items() if value is not None}
    options |= {"use_replicas": False, "sentinel_kwargs": dict(options)}
    hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                     for host, port in target.nodes)  # fmt: skip
    return f"redis+sentinel://{hosts}/{target.service}", options


def _limits(timeout_seconds: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        # With RESP3 a server may announce maintenance, and the library then waits 10 s for it.
        "protocol": 2,
    }


def _node(host: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError(host)
    return parts.hostname, parts.port or default_port
