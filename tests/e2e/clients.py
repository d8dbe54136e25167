"""How the tests speak to real servers: one worker at a time, many callers at once, under load."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import httpx
import jwt
import psutil

from tests.auth_helper import Account, bearer
from tests.processes import wait_for
from tests.servers import ApiServer
from tests.stalls import Stalls

T = TypeVar("T")
PROMISED_SECONDS = 1.0
"""After its answer a revocation holds in every worker within this time.

Nothing is added for a slow machine: it is measured to when the last accepted request was *sent*,
so the worker has judged it later still, and time that passes on the way only helps the test.
"""
UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=None)


def claims_of(token: str) -> dict[str, Any]:
    """Read a token's claims without verifying it."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


class Api:
    """The auth API through one HTTP client, which many threads may use."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def login(self, account: Account, password: str | None = None) -> httpx.Response:
        body = {"email": account.email, "password": password or account.password}
        return self.http.post("/api/auth/login/", json=body)

    def tokens(self, account: Account, password: str | None = None) -> dict[str, Any]:
        """Log in, which must succeed."""
        return granted(self.login(account, password))

    def refresh(self, token: str) -> httpx.Response:
        return self.http.post("/api/auth/refresh/", json={"refresh": token})

    def logout(self, token: str) -> httpx.Response:
        return self.http.post("/api/auth/logout/", json={"refresh": token})

    def me(self, access: str) -> httpx.Response:
        return self.http.get("/api/auth/me/", headers=bearer(access))

    def verify(self, token: str) -> httpx.Response:
        """Ask whether a token is good; for an access token this needs no SQL."""
        return self.http.post("/api/auth/verify/", json={"token": token})

    def end(self, sid: str, access: str) -> httpx.Response:
        return self.http.delete(f"/api/auth/sessions/{sid}/", headers=bearer(access))

    def end_all(self, access: str) -> httpx.Response:
        return self.http.post("/api/auth/logout-all/", headers=bearer(access))

    def change_password(self, access: str, current: str, new: str) -> httpx.Response:
        body = {"current_password": current, "new_password": new}
        return self.http.post("/api/auth/password/", json=body, headers=bearer(access))


def granted(response: httpx.Response) -> dict[str, Any]:
    """Return the body of an answer that must be 200."""
    assert response.status_code == 200, (response.status_code, response.text)
    body: dict[str, Any] = response.json()
    return body


def refused(response: httpx.Response) -> str | None:
    """Return the reason of an answer that must be 401."""
    assert response.status_code == 401, (response.status_code, response.text)
    reason: str | None = response.json().get("reason")
    return reason


def refused_in_time(call: Callable[[], httpx.Response], since: float) -> str | None:
    """Return the reason of the first refusal: of all that was sent in the second after `since`.

    Whatever was sent later is refused already.
    """
    while (seen := ask(call)).status == 200:
        assert seen.sent_at - since <= PROMISED_SECONDS, seen.response.text
    return refused(seen.response)


@contextmanager
def speaking_to(server: ApiServer) -> Iterator[Api]:
    """The API of a server, over as many connections as there are callers at once."""
    with server.client(limits=UNLIMITED) as http:
        yield Api(http)


@contextmanager
def each_worker(server: ApiServer) -> Iterator[list[Api]]:
    """The API of every single worker: each over one connection, which that worker has taken."""
    found: dict[int, Api] = {}
    spare: list[Api] = []

    def all_found() -> bool:
        api = Api(server.client(limits=httpx.Limits(max_connections=1)))
        pid = _pid_behind(server, api.http.get("/health/live/"))
        if pid is None or pid in found:
            spare.append(api)
        else:
            found[pid] = api
        return len(found) == server.workers

    try:
        wait_for(all_found, "a connection to every worker")
        yield list(found.values())
    finally:
        for api in (*spare, *found.values()):
            api.http.close()


def _pid_behind(server: ApiServer, response: httpx.Response) -> int | None:
    port = response.extensions["network_stream"].get_extra_info("client_addr")[1]
    return next((pid for pid in server.worker_pids() if port in _peers(pid)), None)


def _peers(pid: int) -> set[int]:
    connections = psutil.Process(pid).net_connections("tcp")
    return {connection.raddr.port for connection in connections if connection.raddr}


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make every call from a thread of its own, started together; return what they return."""
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        together.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@dataclass(frozen=True)
class Seen:
    """An answer, and when its request was sent."""

    sent_at: float
    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code


def ask(call: Callable[[], httpx.Response]) -> Seen:
    """Make one call and note when."""
    sent_at = time.monotonic()
    return Seen(sent_at, call())


def last_accepted(workers: Sequence[Api], access: str, answered_at: float) -> float:
    """Ask every worker until it refuses the token ten times in a row.

    Within the promised second one may still change its mind: it has refused by what Redis said,
    loses Redis and has not read the list since.
    Returns how long after `answered_at` the last accepted request was sent; below 0 for none.
    """
    return max(all_at_once([partial(_last, api, access, answered_at) for api in workers]))


def _last(api: Api, access: str, answered_at: float) -> float:
    accepted, refusals = answered_at - 1, 0

    def refused_for_good() -> bool:
        nonlocal accepted, refusals
        seen = ask(lambda: api.me(access))
        if seen.status == 200:
            accepted, refusals = seen.sent_at, 0
        else:
            assert refused(seen.response) == "revoked"
            refusals += 1
        return refusals == 10

    wait_for(refused_for_good, "a worker to refuse an ended session")
    return accepted - answered_at


class Load:
    """Calls over and over, each from a thread of its own, from `with` until its end."""

    def __init__(self, *calls: Callable[[], httpx.Response], pause: float = 0.02) -> None:
        self._calls = calls
        self._pause = pause
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(len(calls))
        self._runs: list[Any] = []
        self.seen: list[Seen] = []
        self._stalls = Stalls()

    def __enter__(self) -> Self:
        self._stalls.__enter__()
        self._runs = [self._pool.submit(self._run, call) for call in self._calls]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        self._stalls.__exit__()
        for run in self._runs:
            run.result()

    def assert_all_were_served(self) -> None:
        """Every answer was 200, or 503 where the machine left the workers no time."""
        assert 200 in self.statuses
        assert all(seen.status == 200 or self._is_excused(seen) for seen in self.seen), (
            self.statuses
        )

    @property
    def statuses(self) -> Counter[int]:
        return Counter(seen.status for seen in list(self.seen))

    def _is_excused(self, seen: Seen) -> bool:
        ended_at = seen.sent_at + seen.response.elapsed.total_seconds()
        return self._stalls.excuses(seen.status, seen.sent_at, ended_at)

    def wait_for_more(self, count: int = 20) -> None:
        """Wait until that many requests which are sent from now on have been answered."""
        now = time.monotonic()
        wait_for(lambda: sum(seen.sent_at > now for seen in list(self.seen)) >= count, "answers")

    def _run(self, call: Callable[[], httpx.Response]) -> None:
        while not self._stopping.wait(self._pause):
            self.seen.append(ask(call))
