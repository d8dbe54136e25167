"""What a client claims about itself, and how slowly it says it, is the proxy's to bear."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.auth_helper import Account
from tests.e2e.clients import Api, granted
from tests.production.site import Site

ELSEWHERE = "203.0.113."
NAMES = (
    *("X-Forwarded-For", "X_Forwarded_For", "x_forwarded-for", "X-Real-IP", "X_Real_IP"),
    *("Forwarded", "X-Forwarded-Host", "X-Client-IP", "True-Client-IP"),
)


def forged(number: int) -> dict[str, str]:
    """Headers that claim another address each time, and that the request came in the clear."""
    address = f"{ELSEWHERE}{number}"
    headers = dict.fromkeys(NAMES, address) | {"Forwarded": f"for={address};proto=http"}
    return headers | {"X-Forwarded-Proto": "http", "X_Forwarded_Proto": "http"}


def test_no_header_dodges_the_throttle_or_changes_the_recorded_address(
    site: Site, api: Api, user: Account
) -> None:
    statuses = []
    for number in range(6):
        body = {"email": user.email, "password": "wrong"}
        answer = api.http.post("/api/auth/login/", json=body, headers=forged(number))
        statuses.append(answer.status_code)
    assert statuses == [401] * 5 + [429]
    with site.database.connect(dbname="carelink") as connection:
        rows = connection.execute("SELECT DISTINCT address FROM audit_events").fetchall()
    assert {str(address) for (address,) in rows if address is not None} == {"127.0.0.1"}


def test_no_header_turns_plain_http_into_https_or_back(site: Site, api: Api) -> None:
    claims = {"X-Forwarded-Proto": "https", "X_Forwarded_Proto": "https"}
    with site.plain() as http:
        answer = http.get("/api/auth/me/", headers=claims)
        assert answer.json()["code"] == "https_required"
    assert api.http.get("/", headers=forged(1)).status_code == 200


def test_clients_that_send_their_bodies_slowly_hold_up_nobody(
    site: Site, api: Api, user: Account
) -> None:
    more_than_all_threads = 2 * 2 * 32 + 12
    with sending_slowly(site, more_than_all_threads):
        pair = api.tokens(user)
        for _ in range(20):
            granted(api.me(pair["access"]))
        granted(api.refresh(pair["refresh"]))


@contextmanager
def sending_slowly(site: Site, count: int) -> Iterator[None]:
    """Keep that many clients sending a byte of their login each second, and never the last one."""
    head = b"POST /api/auth/login/ HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    finished = threading.Event()

    def trickle(clients: list[socket.socket]) -> None:
        while not finished.wait(1):
            for client in clients:
                client.sendall(b" ")

    with ExitStack() as stack:
        clients: list[socket.socket] = []
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", site.places.https), timeout=60)
            client = site.trust().wrap_socket(plain, server_hostname="localhost")
            clients.append(stack.enter_context(client))
            client.sendall(head + b"{")
        sender = threading.Thread(target=trickle, args=[clients])
        sender.start()
        try:
            yield
        finally:
            finished.set()
            sender.join()
