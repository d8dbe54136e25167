"""What somebody else sees meanwhile: requests at a steady pace, and a client that pings Redis."""

import json
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles

from tests.bench.load import Connection, get, post
from tests.servers import ValkeyServer

EVERY_SECONDS = 0.02
REFRESH_EVERY = 10
_PING_SECONDS = 0.002


@dataclass
class Seen:
    """Latencies in milliseconds, each from when the request was due."""

    asking: list[float] = field(default_factory=list)
    refreshing: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def describe(self) -> str:
        return f"{spread(self.asking)} | {spread(self.refreshing)}"


def spread(latencies: list[float]) -> str:
    """Return p50 and p99."""
    if len(latencies) < 2:
        return "–"
    cuts = quantiles(latencies, n=100)
    return f"{cuts[49]:.1f} / {cuts[98]:.1f}"


class Probe:
    """Asks and refreshes for some users, 50 times a second, from a thread of its own."""

    def __init__(self, port: int, pairs: list[dict[str, str]]) -> None:
        self._clients = [Connection(port) for _ in pairs]
        self._pairs = pairs
        self._seen = Seen()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def take(self) -> Seen:
        """Return what was seen since the last time."""
        seen, self._seen = self._seen, Seen()
        return seen

    def _run(self) -> None:
        free, busy = list(range(len(self._clients))), {}
        due, number = time.perf_counter(), 0
        with selectors.DefaultSelector() as selector:
            for i, client in enumerate(self._clients):
                selector.register(client.socket, selectors.EVENT_READ, i)
            while not self._over.is_set():
                now = time.perf_counter()
                while due <= now and free:
                    i, number = free.pop(0), number + 1
                    refresh = number % REFRESH_EVERY == 0
                    busy[i] = due, refresh
                    self._clients[i].send(self._request(i, refresh))
                    due += EVERY_SECONDS
                for ready, _ in selector.select(max(0.0, min(due - now, 0.01))):
                    answer = self._clients[ready.data].receive()
                    if answer is not None:
                        self._note(ready.data, answer, *busy.pop(ready.data))
                        free.append(ready.data)

    def _request(self, i: int, refresh: bool) -> bytes:
        if refresh:
            body = json.dumps({"refresh": self._pairs[i]["refresh"]})
            return post("/api/auth/refresh/", body)
        return get("/api/auth/me/", self._pairs[i]["access"])

    def _note(self, i: int, answer: tuple[int, bytes], due: float, refresh: bool) -> None:
        status, body = answer
        self._seen.statuses[status] += 1
        kind = self._seen.refreshing if refresh else self._seen.asking
        kind.append((time.perf_counter() - due) * 1000)
        if refresh and status == 200:
            self._pairs[i] |= json.loads(body)


@dataclass
class Stalls:
    """The longest wait in milliseconds."""

    pinging: float = 0.0
    """Of a client that pings all the time: waiting for a processor counts, too."""
    command: float = 0.0
    """Of any command inside the server, during which nobody else is served."""


@contextmanager
def watching(valkey: ValkeyServer) -> Iterator[Stalls]:
    """Watch for how long Redis does not answer."""
    stalls, over = Stalls(), threading.Event()

    def ping() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(valkey.socket))
            while not over.wait(_PING_SECONDS):
                sent = time.perf_counter()
                client.sendall(b"PING\r\n")
                client.recv(64)
                stalls.pinging = max(stalls.pinging, (time.perf_counter() - sent) * 1000)

    with valkey.client() as client:
        client.config_set("slowlog-log-slower-than", 500)
        client.slowlog_reset()
        pinging = threading.Thread(target=ping)
        pinging.start()
        try:
            yield stalls
        finally:
            over.set()
            pinging.join()
            slow = [entry["duration"] / 1000 for entry in client.slowlog_get(128)]
            stalls.command = max(slow, default=0.5)
