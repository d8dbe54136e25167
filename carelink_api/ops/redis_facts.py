"""What a Redis or Valkey server tells about itself, node by node, and failing plainly."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import click
from redis import AuthenticationError
from redis import ConnectionError as RedisConnectionError
from redis import TimeoutError as RedisTimeout
from redis.exceptions import NoPermissionError, RedisClusterException

from .. import redis_client
from ..config import Settings
from ..database import from_epoch
from ..redis_channel import Channel
from ..redis_client import STORE_ERRORS, Client
from ..sessions.denylist import Denylist
from ..sessions.hints import CHANNEL

Facts = Mapping[str, Any]
"""A node's INFO."""

TIMEOUT_SECONDS = 5.0
"""An operator waits longer than a request does."""
_UNREACHABLE = (RedisConnectionError, RedisTimeout, RedisClusterException)


@contextmanager
def answering_denylist(settings: Settings) -> Iterator[Denylist]:
    """Give a denylist whose Redis has been seen to answer, with longer time-outs than a request's.

    Raises STORE_ERRORS.
    """
    with closing(redis_client.build(settings.redis_url, timeout_seconds=TIMEOUT_SECONDS)) as to:
        to.ping()
        yield Denylist(to, leeway=settings.leeway)


@contextmanager
def patient_denylist(settings: Settings) -> Iterator[Denylist]:
    """Give the same to a command; fail in one sentence where Redis stops answering.

    Raises ClickException.
    """
    try:
        with answering_denylist(settings) as denylist:
            yield denylist
    except STORE_ERRORS as error:
        raise click.ClickException(sentence(error)) from error


def sentence(error: Exception) -> str:
    """Return what an operator needs to know; never the server's own words, they may quote keys."""
    refused = isinstance(error, AuthenticationError)  # for redis-py a kind of ConnectionError
    if isinstance(error, _UNREACHABLE) and not refused:
        return "Redis does not answer; see that it runs and that CARELINK_REDIS_URL names it."
    return f"Redis refused the command ({type(error).__name__}); see its log and its ACL."


def hears_itself(client: Client) -> bool:
    """Return whether this account may say which sessions have ended, and may listen to it.

    Raises STORE_ERRORS for anything else that is wrong.
    """
    try:
        with Channel(client, CHANNEL):
            server = next(iter(redis_client.primaries(client).values()))
            server.publish(CHANNEL, "")  # says nothing, so that nobody doubts anything
    except NoPermissionError:
        return False
    return True


def nodes(client: Client) -> dict[str, Facts]:
    """Return the INFO of every primary by its name; one server's name is `redis`.

    Raises RedisError, RedisClusterException.
    """
    return {name: server.info() for name, server in redis_client.primaries(client).items()}


def described(name: str, facts: Facts) -> dict[str, Any]:
    """Return what matters of one node; None for what a managed server keeps to itself."""
    return {
        "node": name,
        "server": " ".join(product(facts)),
        "role": "primary" if facts.get("role") == "master" else facts.get("role"),
        "uptime_seconds": facts.get("uptime_in_seconds"),
        "used_memory_bytes": facts.get("used_memory"),
        "maxmemory_bytes": facts.get("maxmemory"),
        "policy": facts.get("maxmemory_policy"),
        "append_only": bool(facts["aof_enabled"]) if "aof_enabled" in facts else None,
    }


def times(client: Client) -> dict[str, datetime]:
    """Return the clock of every primary by its name. Raises as `nodes`."""
    found = redis_client.primaries(client).items()
    return {name: _moment(server.time()) for name, server in found}


def product(facts: Facts) -> tuple[str, str]:
    """Return what it is and its version: Valkey also names the Redis that it behaves like."""
    if "valkey_version" in facts:
        return "Valkey", str(facts["valkey_version"])
    return "Redis", str(facts.get("redis_version", "unknown"))


def _moment(told: Any) -> datetime:
    seconds, microseconds = told
    return from_epoch(seconds + microseconds / 1_000_000)
