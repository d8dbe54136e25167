"""Bytes that are no HTTP, sent to a real server: it survives and answers the next client."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth
from tests.conftest import MakeServer
from tests.fuzz.bounds import bounded
from tests.fuzz.invariants import assert_the_log_is_quiet
from tests.servers import ApiServer

pytestmark = SQLITE
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
END = b"\r\n"
LIVE = b"GET /health/live/ HTTP/1.1\r\n" + HOST
ME = b"GET /api/auth/me/ HTTP/1.1\r\n" + HOST
LOGIN = b"POST /api/auth/login/ HTTP/1.1\r\n" + HOST + JSON
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"Connection: close\r\n\r\n"

NO_HTTP: dict[str, bytes] = {
    "nothing": b"",
    "rubbish": bytes(range(256)) * 8,
    "NULs": b"\0" * 5_000,
    "line ends": b"\r\n" * 3_000,
    "a TLS hello": bytes.fromhex("1603010200010001fc0303") + b"\x5a" * 509,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0",
    "HTTP/0.9": b"GET /health/live/\r\n",
    "HTTP/9.9": b"GET /health/live/ HTTP/9.9\r\n\r\n",
    "no version": b"GET /health/live/ \r\n" + HOST + END,
    "an invented method": b"\x80\xff / HTTP/1.1\r\n" + HOST + END,
    "NUL in the path": b"GET /api/\0/ HTTP/1.1\r\n" + HOST + END,
    "a space in the path": b"GET /api/auth/ me/ HTTP/1.1\r\n" + HOST + END,
    "NUL in a header": ME + b"Authorization: Bearer a\0b\r\n" + LAST,
    "a header without a colon": ME + b"Authorization\r\n" + LAST,
    "a header without a name": ME + b": x\r\n" + LAST,
    "a space before the colon": ME + b"Authorization : Bearer x\r\n" + LAST,
    "a folded header": ME + b"X-A: b\r\n c\r\n" + LAST,
    "bare line feeds": ME.replace(b"\r\n", b"\n") + b"X: y\n" + b"Connection: close\n\n",
    "a huge path": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n" + HOST + LAST,
    "a huge header": ME + b"X-A: " + b"a" * 1_000_000 + b"\r\n" + LAST,
    "many headers": ME + b"X-A: b\r\n" * 20_000 + LAST,
    "a negative length": LOGIN + b"Content-Length: -1\r\n" + LAST + b"{}",
    "a length in words": LOGIN + b"Content-Length: two\r\n" + LAST + b"{}",
    "a length with a sign": LOGIN + b"Content-Length: +2\r\n" + LAST + b"{}",
    "a huge length": LOGIN + b"Content-Length: 99999999999999999999999\r\n" + LAST + b"{}",
    "two lengths": LOGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n" + LAST + b"{}x",
    "no host": b"GET /health/live/ HTTP/1.1\r\n" + LAST,
    "half a head": ME + b"Authorization: Bea",
    "half a body": LOGIN + b"Content-Length: 400\r\n\r\n" + b'{"email": "a',
    "chunk size in words": LOGIN + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "chunk size too large": LOGIN + CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a chunk without its end": LOGIN + CHUNKED + b"2\r\n{}garbage",
    "half a chunk": LOGIN + CHUNKED + b"ff\r\n{}",
    "endless chunk extension": LOGIN + CHUNKED + b"2;" + b"x" * 200_000 + b"\r\n{}\r\n0\r\n\r\n",
    "twice chunked": LOGIN + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "gzip": LOGIN + b"Transfer-Encoding: gzip\r\n" + LAST + b"\x1f\x8b",
}  # fmt: skip
HTTP: dict[str, tuple[bytes, list[int]]] = {
    "invalid UTF-8 in the path": (b"GET /api/\xff\xfe/ HTTP/1.1\r\n" + HOST + LAST, [400, 404]),
    "invalid UTF-8 in a header": (ME + b"Authorization: Bearer \xff\xfe\r\n" + LAST, [401]),
    "two credentials": (ME + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n" + LAST,
                        [400, 401]),
    "a whole address": (b"GET http://elsewhere/api/auth/me/ HTTP/1.1\r\n" + HOST + LAST, [401]),
    "every method's options": (b"OPTIONS * HTTP/1.1\r\n" + HOST + LAST, [200, 400, 404, 405]),
    "CONNECT": (b"CONNECT elsewhere:443 HTTP/1.1\r\n" + HOST + LAST, [400, 404, 405]),
    "a body that is not JSON": (LOGIN + b"Content-Length: 2\r\n" + LAST + b"\xff\xff", [400]),
    "chunks": (LOGIN + b"Connection: close\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", [422]),
    "a bomb of headers": (ME + b"".join(b"X-%d: y\r\n" % n for n in range(60)) + LAST, [401]),
}  # fmt: skip


@dataclass
class Target:
    """A running server, and a client of it with a session."""

    server: ApiServer
    access: str
    pids: list[int]

    def send(self, data: bytes, *, then_close: bool = True) -> bytes:
        """Send bytes and return all that comes back, until the server closes the connection.

        The server drops what it has not begun to answer once it hears that no more will come: it
        hears that after `data`, unless the last request asks it to close.
        """
        with closing(socket.create_connection(("127.0.0.1", self.server.port), 60)) as wire:
            with suppress(OSError):  # it may have heard enough before the end
                wire.sendall(data)
                if then_close:
                    wire.shutdown(socket.SHUT_WR)
            received = b""
            with suppress(ConnectionError):
                while more := wire.recv(65_536):
                    received += more
            return received

    def assert_alive(self) -> None:
        """The next client is served, by the same worker, and nothing went wrong inside."""
        headers = {"Authorization": f"Bearer {self.access}"}
        answer = httpx.get(f"{self.server.url}/api/auth/me/", headers=headers, timeout=30)
        assert answer.status_code == 200
        assert self.server.worker_pids() == self.pids
        assert_the_log_is_quiet(self.server)


@pytest.fixture
def target(auth: Auth, api_server: MakeServer) -> Iterator[Target]:
    auth.create_user()
    server = api_server(workers=1, blocking_threads=4)
    target = Target(server, auth.tokens()["access"], server.worker_pids())
    yield target
    target.assert_alive()


def statuses(received: bytes) -> list[int]:
    """Return the status of each answer, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]


def test_what_is_no_http_is_refused_or_dropped(target: Target) -> None:
    for name, data in NO_HTTP.items():
        found = statuses(target.send(data))
        assert all(200 <= status < 500 for status in found), (name, found)
        assert len(found) <= 1, (name, found)
        target.assert_alive()


def test_what_is_barely_http_is_answered(target: Target) -> None:
    for name, (data, expected) in HTTP.items():
        found = statuses(target.send(data, then_close=False))
        assert len(found) == 1, (name, found)
        assert found[0] in expected, (name, found)


def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    good = b"Authorization: Bearer " + target.access.encode() + b"\r\n\r\n"
    wire = LIVE + END + ME + END + ME + good + LOGIN + b"Content-Length: 2\r\n\r\n{}" + LIVE + LAST
    assert statuses(target.send(wire, then_close=False)) == [200, 401, 200, 422, 200]


def test_one_credential_does_not_serve_the_request_behind_it(target: Target) -> None:
    good = b"Authorization: Bearer " + target.access.encode() + b"\r\n\r\n"
    wire = (ME + good + ME + END) * 20 + ME + LAST
    assert statuses(target.send(wire, then_close=False)) == [200, 401] * 20 + [401]


def test_no_second_request_hides_in_the_body_of_the_first(target: Target) -> None:
    hidden = ME + b"Authorization: Bearer " + target.access.encode() + b"\r\n\r\n"
    length = b"Content-Length: %d\r\n" % (len(hidden) + 5)
    disguises = [
        LOGIN + length + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        LOGIN + b"Transfer-Encoding: chunked\r\n" + length + b"\r\n0\r\n\r\n" + hidden,
        LOGIN + b"Content-Length: 0\r\n" + length + b"\r\n" + hidden,
        LOGIN + b"Transfer-Encoding : chunked\r\n" + length + b"\r\n0\r\n\r\n" + hidden,
        LOGIN + b"Transfer-Encoding: xchunked\r\n" + length + b"\r\n0\r\n\r\n" + hidden,
    ]
    for disguise in disguises:
        assert 200 not in statuses(target.send(disguise)), disguise[:160]


def test_clients_that_never_finish_their_head_keep_nobody_out(target: Target) -> None:
    slow = [socket.create_connection(("127.0.0.1", target.server.port), 30) for _ in range(60)]
    try:
        for wire in slow:
            wire.sendall(LOGIN + b"Content-Le")
        target.assert_alive()
    finally:
        for wire in slow:
            wire.close()


requests = st.sampled_from(
    [LIVE + LAST, ME + LAST, LOGIN + b"Content-Length: 2\r\n" + LAST + b"{}",
     LOGIN + b"Connection: close\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good request with some of its bytes cut out, doubled or replaced."""
    data = draw(requests)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data = (
            data[:start] + draw(st.binary(max_size=6) | st.just(data[start:end] * 2)) + data[end:]
        )
    return data


@bounded(150)
@given(data=damaged())
def test_no_damaged_request_is_an_error_of_ours(data: bytes, target: Target) -> None:
    assert all(100 <= status < 500 for status in statuses(target.send(data)))
