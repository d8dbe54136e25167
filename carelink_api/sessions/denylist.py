"""The denylist in Redis: the only place that knows its keys.

`carelink:revoked:{<sid>}`        the session has ended; value `reason:epoch`
`carelink:revoked:{<sid>}:<jti>`  that token is revoked

The braces are a cluster hash tag: both keys of a check lie in one slot, so it is one `MGET`.
Every key expires when no token it could refuse is alive any more (ASVS 7.4.1). Keys and values
hold no name, e-mail address or token.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple, cast

import structlog
from redis.exceptions import AskError, InvalidResponse, TryAgainError

from .. import metrics, redis_client
from ..redis_client import STORE_ERRORS, Client
from .batches import batches
from .hints import CHANNEL, Hint

log = structlog.get_logger(__name__)

PREFIX = "carelink:revoked:"
BATCH = 500
_FEW = 10
"""More are written in a cheaper way than the library's, at the price of one more round trip."""
_MARGIN = timedelta(minutes=1)
_BLAMELESS = (TryAgainError, AskError)


class DenylistUnavailable(Exception):
    """Redis does not answer this question now."""


class Entry(NamedTuple):
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


def is_sid(text: str) -> bool:
    """Say whether it may go to the database: anybody may have written such a key."""
    return len(text) == 22 and text.isascii() and text.isprintable()


class Denylist:
    """Reads go through a circuit breaker; writes do not, since a late entry is better than none.

    A server has one breaker; of a cluster every node has its own.
    """

    def __init__(self, client: Client, *, leeway: timedelta) -> None:
        self.client = client
        self._margin = leeway + _MARGIN
        self._broken: dict[str, str] = {}
        """Where a breaker is open: the name of the place, and the `sid` it failed for."""
        self._refuses_writes = False
        self._refuses_messages = False

    @property
    def breaker_open(self) -> bool:
        """Whether any breaker is open."""
        return bool(self._broken)

    def skips(self, sid: str) -> bool:
        """Return whether the breaker of what this session's entries lie on is open."""
        return bool(self._broken) and self._place(sid) in self._broken

    def find(self, sid: str, jti: str) -> str | None:
        """Return why the token is refused, or None: one round trip.

        Raises DenylistUnavailable, at once while the breaker is open.
        """
        if self.skips(sid):
            raise DenylistUnavailable
        try:
            value = self._ask(sid, jti)
        except _BLAMELESS as error:  # a slot on the move: this request only
            raise DenylistUnavailable from error
        except STORE_ERRORS as error:
            self._open_breaker(sid, error)
            raise DenylistUnavailable from error
        if value is None:
            return None
        # Whatever stands there refuses, also what none of us has written.
        return value.decode(errors="replace").partition(":")[0] or "unknown"

    def publish(self, entries: Sequence[Entry], *, announce: bool = False) -> bool:
        """Write the entries; return whether Redis took them all. Never changes one (`NX`).

        `announce` tells the workers which sessions have just ended; nothing rests on it. What one
        node of a cluster does not take keeps the others from nothing.
        """
        failed: list[Exception] = []
        for here in self._by_place(entries):
            try:
                for some in batches(here, BATCH):
                    self._write(some, announce)
            except STORE_ERRORS as error:  # unreachable, out of memory, read-only: the row decides
                failed.append(error)
        if failed:
            self._learn_places()
            if not self._refuses_writes:  # once an outage, not once a batch
                log.warning("denylist_write_failed", kind=type(failed[0]).__name__)
        self._refuses_writes = bool(failed)
        return not failed

    def ping(self) -> bool:
        """Return whether all of Redis answers, whatever the breakers say."""
        try:
            return bool(self.client.ping())
        except STORE_ERRORS:
            return False

    def probe(self) -> None:
        """Close each open breaker whose question is answered now.

        Called by a thread, never by a request. It asks what has failed before: a server may
        answer a PING and nothing else (CLUSTERDOWN, MASTERDOWN).
        """
        if not self._broken:
            return
        self._learn_places()
        for place, sid in list(self._broken.items()):
            try:
                self._ask(sid, "")
            except STORE_ERRORS:
                continue
            self._broken.pop(place, None)
            log.info("denylist_answers_again", place=place)

    def keys(self) -> Iterator[str]:
        """Yield every key of the denylist, in steps that never block Redis. Raises STORE_ERRORS."""
        for key in self.client.scan_iter(match=f"{PREFIX}*", count=1000):
            yield key.decode(errors="replace")

    def delete(self, keys: Sequence[str]) -> int:
        """Delete keys without blocking; return how many there were. Raises STORE_ERRORS."""
        return sum(redis_client.unlink(self.client, some) for some in batches(keys, BATCH))

    def _ask(self, sid: str, jti: str) -> bytes | None:
        """Return what stands there. Raises STORE_ERRORS, also for what is no answer to this.

        A proxy in front of several servers puts one's error among the values.
        """
        match cast(object, self.client.mget(session_key(sid), token_key(sid, jti))):
            case [None, None]:
                return None
            case [bytes(value), None | bytes()] | [None, bytes(value)]:
                return value
        raise InvalidResponse("not two values")

    def _write(self, entries: Sequence[Entry], announce: bool) -> None:
        """Write them, and then say so: who hears of one finds it. Raises STORE_ERRORS."""
        new = [
            (entry.key, entry.value, int((entry.until + self._margin).timestamp()) + 1)
            for entry in entries
        ]
        if len(new) == 1 and not announce:
            redis_client.put(self.client, *new[0])
            return
        if len(new) > _FEW:
            redis_client.set_new(self.client, new)
            new = []
        ended = [entry.sid for entry in entries if entry.jti is None] if announce else []
        with self.client.pipeline(transaction=False) as pipe:
            for key, value, until in new:
                pipe.set(key, value, exat=until, nx=True)
            if ended:
                hint = Hint(entries[0].at.timestamp(), tuple(ended))
                pipe.publish(CHANNEL, hint.as_message())
            answers = pipe.execute(raise_on_error=False)
        for answer in answers[: len(new)]:
            if isinstance(answer, Exception):
                raise answer
        if ended:
            self._note_message(answers[-1])

    def _note_message(self, answer: object) -> None:
        refused = isinstance(answer, Exception)
        if refused and not self._refuses_messages:  # once, not with each session that ends
            log.warning("ends_not_announced", kind=type(answer).__name__)
        self._refuses_messages = refused

    def _place(self, sid: str) -> str:
        return redis_client.place(self.client, session_key(sid))

    def _by_place(self, entries: Sequence[Entry]) -> Iterable[list[Entry]]:
        places: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            places[self._place(entry.sid)].append(entry)
        return places.values()

    def _learn_places(self) -> None:
        with suppress(*STORE_ERRORS):  # nobody tells: what was known stays
            redis_client.refresh(self.client)

    def _open_breaker(self, sid: str, error: Exception) -> None:
        place = self._place(sid)
        if place not in self._broken:
            log.warning("denylist_unavailable", place=place, kind=type(error).__name__)
            metrics.BREAKER_OPENED.inc()
        self._broken[place] = sid
