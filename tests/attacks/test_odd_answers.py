"""Answers at Redis's address that Redis itself would not give, such as a proxy's."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from carelink_api import redis_client
from carelink_api.sessions.denylist import Denylist, DenylistUnavailable
from carelink_api.sessions.grants import new_jti, new_sid

Reply = bytes


@contextmanager
def answering(reply: Reply) -> Iterator[str]:
    """Serve a URL at which every MGET gets `reply`, and every other command an OK."""

    class Proxy(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.readline():
                words = [self._word() for _ in range(int(head[1:]))]
                self.wfile.write(reply if words[0] == b"MGET" else b"+OK\r\n")

        def _word(self) -> bytes:
            length = int(self.rfile.readline()[1:])
            return self.rfile.read(length + 2)[:-2]

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(
    params=[
        b"*2\r\n-ERR upstream failure\r\n$-1\r\n",
        b"*2\r\n$-1\r\n-ERR upstream failure\r\n",
        b"*1\r\n$-1\r\n",
        b"*3\r\n$-1\r\n$-1\r\n$-1\r\n",
        b"*-1\r\n",
        b"*2\r\n:0\r\n$-1\r\n",
        b":0\r\n",
        b"+OK\r\n",
        b"$-1\r\n",
    ]
)
def denylist(request: pytest.FixtureRequest) -> Iterator[Denylist]:
    with answering(request.param) as url:
        client = redis_client.build(url, timeout_seconds=5)
        yield Denylist(client, leeway=timedelta(0))
        client.close()


def test_what_is_no_answer_is_neither_clean_nor_a_crash(denylist: Denylist) -> None:
    with pytest.raises(DenylistUnavailable):
        denylist.find(new_sid(), new_jti())
    denylist.probe()
    assert denylist.breaker_open
