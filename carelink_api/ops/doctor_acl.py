"""The doctor's rules on what CareLink's account on Redis may do: all it needs, and little more.

An account of least privilege may not ask what it may do, so it is tried out: a server looks at who
asks before it looks at what is asked. What would do harm is asked in a form that no server takes;
where it is refused, as it should be, the server's ACL LOG says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

from ..config import Settings
from ..redis_client import Client
from .findings import Finding, fine, unsafe, warn

KEY = "carelink:doctor"
_NOTHING = "carelink-doctor-asks"
NEEDED: Mapping[str, tuple[str, ...]] = {
    "ping": ("PING",),
    "info": ("INFO", "server"),
    "time": ("TIME",),
    "mget": ("MGET", KEY),
    "set": ("SET", KEY, "1", "XX"),
    "scan": ("SCAN", "0", "COUNT", "1"),
    "evalsha": ("EVALSHA", "0" * 40, "0"),
    "script|load": ("SCRIPT", "LOAD", "return 1"),
    "lpush": ("LPUSH", KEY, "1"),
    "lindex": ("LINDEX", KEY, "0"),
    "expire": ("EXPIRE", KEY, "1"),
    "ltrim": ("LTRIM", KEY, "1", "0"),
    "unlink": ("UNLINK", KEY),
}
"""Each command of `users.acl` in a form that leaves nothing behind, in this order; the channel is
judged by itself, since workers do without it."""
HARMFUL: Mapping[str, tuple[str, ...]] = {
    "empty the server": ("FLUSHALL", _NOTHING),
    "change its settings": ("CONFIG", "SET", _NOTHING, "1"),
    "make accounts": ("ACL", "SETUSER", _NOTHING, "carelink-no-such-rule"),
    "read keys of others": ("MGET", f"{_NOTHING}-elsewhere"),
}


@dataclass(frozen=True)
class AclFacts:
    """What the account was found to be able to do, and not to."""

    lacking: tuple[str, ...]
    harmful: tuple[str, ...]


def try_out(server: Client) -> AclFacts:
    """Ask one server. Raises RedisError where it does not answer."""
    lacking = tuple(name for name, words in NEEDED.items() if not _may(server, words))
    harmful = tuple(what for what, words in HARMFUL.items() if _may(server, words))
    return AclFacts(lacking, harmful)


def _may(server: Client, words: tuple[str, ...]) -> bool:
    ask: Callable[..., Any] = server.execute_command
    try:
        ask(*words)
    except NoPermissionError:
        return False
    except ResponseError:  # it was heard, and is nonsense; or the key lies on another node
        return True
    return True


def check_acl(settings: Settings, node: str, facts: AclFacts) -> Finding:
    """Judge what the account may do."""
    name = f"{node}: account"
    if facts.lacking:
        return unsafe(
            name,
            f"It may not use {', '.join(facts.lacking).upper()}.",
            "Revocations are not written or not read there, or throttles do not count.",
            "Give it what carelink_api/deployment/users.acl lists.",
        )
    if not facts.harmful or not settings.is_production:
        return fine(name, "may do what it needs")
    return warn(
        name,
        f"It may also {', '.join(facts.harmful)}.",
        "A hole in the application could drop every revocation at once, which then hold through "
        "SQL alone (ASVS 13.2.2).",
        "Make a user as in carelink_api/deployment/users.acl, and name it in CARELINK_REDIS_URL.",
    )
