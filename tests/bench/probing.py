"""What somebody else sees meanwhile: requests at a steady pace, and a client that pings Redis."""

import json
import os
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import quantiles

from tests.bench.load import Connection, get, post
from tests.servers import ValkeyServer

EVERY_SECONDS = 0.02
REFRESH_EVERY = 10
LOG_OUT_EVERY = 25
_PING_SECONDS = 0.002


@dataclass
class Seen:
    """Latencies in milliseconds, each from when the request was due."""

    asking: list[float] = field(default_factory=list)
    refreshing: list[float] = field(default_factory=list)
    logging_out: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def describe(self) -> str:
        kinds = (self.asking, self.refreshing, self.logging_out)
        return " | ".join(map(spread, kinds))

    def longest(self) -> float:
        return max(self.asking + self.refreshing + self.logging_out)


def _go_first() -> None:
    """Let this thread, which stands for another machine, not wait for what it measures."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)


def spread(latencies: list[float]) -> str:
    """Return p50 and p99."""
    if len(latencies) < 2:
        return "–"
    cuts = quantiles(latencies, n=100, method="inclusive")
    return f"{cuts[49]:.1f} / {cuts[98]:.1f}"


class Probe:
    """Asks and refreshes for some users and logs others out, 50 times a second, from a thread."""

    def __init__(
        self, ports: Sequence[int], pairs: list[dict[str, str]], spare: list[dict[str, str]]
    ) -> None:
        self._clients = [Connection(ports[i % len(ports)]) for i in range(len(pairs))]
        self._pairs = pairs
        self._spare = spare
        """Sessions to log out, while there are any."""
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
        _go_first()
        free, busy = list(range(len(self._clients))), {}
        due, number = time.perf_counter(), 0
        with selectors.DefaultSelector() as selector:
            for i, client in enumerate(self._clients):
                selector.register(client.socket, selectors.EVENT_READ, i)
            while not self._over.is_set():
                now = time.perf_counter()
                while due <= now and free:
                    i, number = free.pop(0), number + 1
                    busy[i] = due, self._send(i, number)
                    due += EVERY_SECONDS
                for ready, _ in selector.select(max(0.0, min(due - now, 0.01))):
                    answer = self._clients[ready.data].receive()
                    if answer is not None:
                        self._note(ready.data, answer, *busy.pop(ready.data))
                        free.append(ready.data)

    def _send(self, i: int, number: int) -> str:
        """Send the next request; return of what kind it is."""
        if number % LOG_OUT_EVERY == 0 and self._spare:
            kind, path, pair = "logging_out", "/api/auth/logout/", self._spare.pop()
        elif number % REFRESH_EVERY == 1:
            kind, path, pair = "refreshing", "/api/auth/refresh/", self._pairs[i]
        else:
            kind, path, pair = "asking", "/api/auth/me/", self._pairs[i]
        if kind == "asking":
            request = get(path, pair["access"])
        else:
            request = post(path, json.dumps({"refresh": pair["refresh"]}))
        self._clients[i].send(request)
        return kind

    def _note(self, i: int, answer: tuple[int, bytes], due: float, kind: str) -> None:
        status, body = answer
        self._seen.statuses[status] += 1
        getattr(self._seen, kind).append((time.perf_counter() - due) * 1000)
        if kind == "refreshing" and status == 200:
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
        _go_first()
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
