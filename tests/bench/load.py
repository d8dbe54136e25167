"""A small load generator: keep-alive connections in one thread, one request in flight on each."""

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles

import psutil

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
Requests = Callable[[int, bytes | None], bytes | None]
"""Makes a connection's next request from its last answer; None where it has no more."""


@dataclass(frozen=True)
class Measured:
    """What one run has shown."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the server's processes, per request."""
    statuses: dict[int, int]
    waited_ms: list[float]
    """For each answer."""


class Connection:
    """One keep-alive connection, with one request in flight at most."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.buffer = b""

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and wait for its answer: status and body."""
        self.send(request)
        return self.wait()

    def wait(self) -> tuple[int, bytes]:
        """Wait for the answer to what was sent."""
        while (answer := self.receive()) is None:
            continue
        return answer

    def receive(self) -> tuple[int, bytes] | None:
        """Return status and body once the answer is complete."""
        self.buffer += self.socket.recv(65536)
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or length is None or len(body) < int(length[1]):
            return None
        self.buffer = b""
        return int(head[9:12]), body


def measure(
    port: int,
    requests: Requests,
    *,
    server_pid: int,
    connections: int = 8,
    seconds: float = 4.0,
) -> Measured:
    """Ask for `seconds`, or until no connection has a request left."""
    family = [psutil.Process(server_pid), *psutil.Process(server_pid).children(recursive=True)]
    clients = [Connection(port) for _ in range(connections)]
    cpu_before, started = cpu_seconds(family), time.perf_counter()
    answers = list(_converse(clients, requests, until=started + seconds))
    elapsed, cpu = time.perf_counter() - started, cpu_seconds(family) - cpu_before
    for client in clients:
        client.socket.close()
    cuts = quantiles((latency for _, latency in answers), n=100)
    return Measured(
        len(answers) / elapsed,
        cuts[49] * 1000,
        cuts[98] * 1000,
        cpu / len(answers) * 1e6,
        Counter(status for status, _ in answers),
        [latency * 1000 for _, latency in answers],
    )


def _converse(
    clients: Sequence[Connection], requests: Requests, *, until: float
) -> Iterator[tuple[int, float]]:
    """Yield each answer's status and how many seconds it took."""
    with selectors.DefaultSelector() as selector:
        for i, client in enumerate(clients):
            selector.register(client.socket, selectors.EVENT_READ, (i, client))
            client.send(requests(i, None) or b"")
        while selector.get_map() and time.perf_counter() < until:
            for ready, _ in selector.select(1):
                i, client = ready.data
                answer = client.receive()
                if answer is None:
                    continue
                yield answer[0], time.perf_counter() - client.sent_at
                if following := requests(i, answer[1]):
                    client.send(following)
                else:
                    selector.unregister(client.socket)


def get(path: str, token: str = "") -> bytes:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode()


def post(path: str, body: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


def cpu_seconds(family: Sequence[psutil.Process]) -> float:
    """Return how much processor these have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in family)
