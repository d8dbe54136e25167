"""The denylist in Redis: the only place that knows its keys.

`carelink:revoked:{<sid>}`        the session has ended; value `reason:epoch`
`carelink:revoked:{<sid>}:<jti>`  that token is revoked

The braces are a cluster hash tag: both keys of a check lie in one slot, so it is one `MGET`.
Every key expires when no token it could refuse is alive any more (ASVS 7.4.1). Keys and values
hold no name, e-mail address or token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog
from redis.exceptions import AskError, TryAgainError

from ..redis_client import STORE_ERRORS, Client

log = structlog.get_logger(__name__)

PREFIX = "carelink:revoked:"
BATCH = 500
_MARGIN = timedelta(minutes=1)
_BLAMELESS = (TryAgainError, AskError)


class DenylistUnavailable(Exception):
    """Redis does not answer this question now."""


@dataclass(frozen=True)
class Entry:
    """One thing to refuse: a whole session, or with `jti` one token of it."""

    sid: str
    reason: str
    at: datetime
    until: datetime
    """When the last token that it refuses expires, leeway not counted."""
    jti: str | None = None

    @property
    def key(self) -> str:
        return token_key(self.sid, self.jti) if self.jti else session_key(self.sid)

    @property
    def value(self) -> str:
        return f"{self.reason}:{int(self.at.timestamp())}"


def session_key(sid: str) -> str:
    return f"{PREFIX}{{{sid}}}"


def token_key(sid: str, jti: str) -> str:
    return f"{PREFIX}{{{sid}}}:{jti}"


def parse_key(key: str) -> tuple[str, str | None]:
    """Return the `sid` and `jti` of a key; the `jti` is None for a session's."""
    sid, _, jti = key.removeprefix(PREFIX + "{").partition("}")
    return sid, jti.removeprefix(":") or None


class Denylist:
    """Reads go through a circuit breaker; writes do not, since a late entry is better than none."""

    def __init__(self, client: Client, *, leeway: timedelta) -> None:
        self.client = client
        self._margin = leeway + _MARGIN
        self.breaker_open = False
        self._refuses_writes = False

    def find(self, sid: str, jti: str) -> str | None:
        """Return why the token is refused, or None: one round trip.

        Raises DenylistUnavailable, at once while the breaker is open.
        """
        if self.breaker_open:
            raise DenylistUnavailable
        try:
            keys = session_key(sid), token_key(sid, jti)
            session, token = cast(list[bytes | None], self.client.mget(*keys))
        except _BLAMELESS as error:  # a slot on the move: this request only
            raise DenylistUnavailable from error
        except STORE_ERRORS as error:
            self._open_breaker(error)
            raise DenylistUnavailable from error
        value = token if session is None else session
        if value is None:
            return None
        # Whatever stands there refuses, also what none of us has written.
        return value.decode(errors="replace").partition(":")[0] or "unknown"

    def publish(self, entries: Sequence[Entry]) -> bool:
        """Write the entries; return whether Redis took them all. Never changes one (`NX`)."""
        try:
            for start in range(0, len(entries), BATCH):
                with self.client.pipeline(transaction=False) as pipe:
                    for entry in entries[start : start + BATCH]:
                        expires = int((entry.until + self._margin).timestamp()) + 1
                        pipe.set(entry.key, entry.value, exat=expires, nx=True)
                    pipe.execute()
        except STORE_ERRORS as error:  # unreachable, out of memory, read-only: the row decides
            if not self._refuses_writes:  # once an outage, not once a batch
                log.warning("denylist_write_failed", kind=type(error).__name__)
            self._refuses_writes = True
            return False
        self._refuses_writes = False
        return True

    def ping(self) -> bool:
        """Return whether Redis answers, whatever the breaker says."""
        try:
            return bool(self.client.ping())
        except STORE_ERRORS:
            return False

    def probe(self) -> None:
        """Close an open breaker as soon as Redis answers. Called by a thread, never a request."""
        if self.breaker_open and self.ping():
            self.breaker_open = False
            log.info("denylist_answers_again")

    def keys(self) -> Iterator[str]:
        """Yield every key of the denylist, in steps that never block Redis. Raises RedisError."""
        for key in self.client.scan_iter(match=f"{PREFIX}*", count=1000):
            yield key.decode(errors="replace")

    def delete(self, keys: Sequence[str]) -> int:
        """Delete keys without blocking; return how many there were. Raises RedisError."""
        deleted = 0
        for start in range(0, len(keys), BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                for key in keys[start : start + BATCH]:
                    pipe.unlink(key)
                deleted += sum(pipe.execute())
        return deleted

    def _open_breaker(self, error: Exception) -> None:
        if not self.breaker_open:
            log.warning("denylist_unavailable", kind=type(error).__name__)
        self.breaker_open = True
