"""Clients at work from outside, who must notice as little of a fault as can be.

Healthy sessions ask and refresh all the time, each from an address of its own; revoked ones try
again and again; the test revokes.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import httpx

from tests.auth_helper import Account, bearer
from tests.e2e.clients import (
    PROMISED_SECONDS,
    UNLIMITED,
    Api,
    all_at_once,
    ask,
    refused,
)
from tests.faults.rows import NOTICEABLE_SECONDS, Row
from tests.processes import wait_for
from tests.servers import ApiServer
from tests.stalls import Stalls

Pair = dict[str, Any]
HEALTHY = 3
PAUSE_SECONDS = 0.02
REFRESH_SECONDS = 0.7
"""A session may refresh 120 times a minute."""


@dataclass(frozen=True)
class Answer:
    """What a healthy client has got, and when."""

    sent_at: float
    seconds: float
    status: int
    text: str
    """Of an answer that was none of the wished for."""


@dataclass(frozen=True)
class Ghost:
    """A session that has been revoked, and when that was answered."""

    pair: Pair
    answered_at: float


class Crowd:
    """Everybody at work on one server, from `with` until its end; then it judges."""

    def __init__(
        self, server: ApiServer, workers: Sequence[Api], accounts: Sequence[Account], row: Row
    ) -> None:
        self._http = server.client(limits=UNLIMITED, event_hooks={"request": [_from_anywhere]})
        self.api = Api(self._http)
        self._workers = workers
        self._staying, self._leaving = accounts[:-1], accounts[-1]
        self._row = row
        self._stopping = threading.Event()
        self._stalls = Stalls()
        self._pool = ThreadPoolExecutor(len(self._staying) + 1)
        self._runs: list[Future[None]] = []
        self.sids: list[str] = []
        """The healthy sessions."""
        self.answers: list[Answer] = []
        self._ghosts: list[Ghost] = []
        self._began_at: float | None = None

    def __enter__(self) -> Self:
        self._stalls.__enter__()
        pairs = [self.api.tokens(account) for account in self._staying]
        self.sids = [pair["session"]["id"] for pair in pairs]
        work: list[Callable[[], None]] = [partial(self._stay, pair) for pair in pairs]
        self._runs = [self._pool.submit(run) for run in (*work, self._haunt)]
        self.work_on()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        self._stalls.__exit__()
        self._http.close()
        if kind is None:
            for run in self._runs:
                run.result()
            self._judge()

    def begin(self) -> None:
        """Say that the fault begins now."""
        self._began_at = time.monotonic()

    def work_on(self, count: int = 30) -> None:
        """Wait until the healthy have got that many answers to what they ask from now on."""
        for run in self._runs:
            if run.done():
                run.result()
        now = time.monotonic()
        wait_for(lambda: sum(one.sent_at > now for one in list(self.answers)) >= count, "answers")

    def start(self) -> Pair:
        """Start a session that every worker knows as good."""
        pair = self.api.tokens(self._leaving)
        for worker in self._workers:
            answer = worker.me(pair["access"])
            assert answer.status_code == 200, answer.text
        return pair

    def end(self, pair: Pair, expected: Collection[int] = (200, 202)) -> float:
        """Log a session out; return when that was answered."""
        seen = ask(partial(self.api.logout, pair["refresh"]))
        seconds = seen.response.elapsed.total_seconds()
        assert seen.status in expected, seen.response.text
        assert bool(seen.response.json().get("pending")) == (seen.status == 202)
        self._row.endings[seen.status] += 1
        self._row.slowest_ending = max(self._row.slowest_ending, seconds)
        return seen.sent_at + seconds

    def watch(self, pair: Pair, answered_at: float) -> None:
        """See it refused by every worker, ten times in a row; it will go on trying."""
        ghost = Ghost(pair, answered_at)
        all_at_once([partial(self._see_refused, worker, ghost) for worker in self._workers])
        self._ghosts.append(ghost)

    def _see_refused(self, worker: Api, ghost: Ghost) -> None:
        refusals = 0
        while refusals < 10:
            refusals = refusals + 1 if self._is_refused(worker, ghost) else 0

    def _is_refused(self, api: Api, ghost: Ghost) -> bool:
        """Ask with a revoked session's access token; raise where it is let in too late.

        Within the promised time a worker may still change its mind: it has refused by what Redis
        said, then Redis fails, and its pulse has not beaten since the revocation.
        """
        seen = ask(partial(api.me, ghost.pair["access"]))
        if seen.status == 200:
            after = seen.sent_at - ghost.answered_at
            self._row.last_accepted = max(self._row.last_accepted, after)
            assert after <= PROMISED_SECONDS, "a revoked session was let in"
            return False
        assert refused(seen.response) == "revoked"
        return True

    def finish(self, pair: Pair) -> int:
        """End and watch a session; return the status with which that was answered."""
        before = self._row.endings.copy()
        self.watch(pair, self.end(pair))
        return next(iter(self._row.endings - before))

    def revoke(self, count: int = 1) -> set[int]:
        """Start, end and watch that many sessions; return the statuses of the endings."""
        return {self.finish(self.start()) for _ in range(count)}

    def revoke_until(self, status: int) -> None:
        """Revoke one session after another until one ending is answered so."""
        wait_for(lambda: status in self.revoke(), f"an ending with {status}")

    def _stay(self, pair: Pair) -> None:
        refresh_at = time.monotonic() + REFRESH_SECONDS
        while not self._stopping.wait(PAUSE_SECONDS):
            self._note(partial(self.api.me, pair["access"]))
            self._note(partial(self._appointments, pair["access"]))
            if time.monotonic() > refresh_at:
                answer = self._note(partial(self.api.refresh, pair["refresh"]))
                pair = answer.json() if answer.status_code == 200 else pair
                refresh_at = time.monotonic() + REFRESH_SECONDS

    def _appointments(self, access: str) -> httpx.Response:
        return self._http.get("/api/appointments/", headers=bearer(access))

    def _note(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        sent_at = time.monotonic()
        answer = call()
        text = "" if answer.status_code == 200 else answer.text
        self.answers.append(Answer(sent_at, time.monotonic() - sent_at, answer.status_code, text))
        return answer

    def _haunt(self) -> None:
        """Show the tokens of revoked sessions again and again, mostly the latest one's."""
        while not self._stopping.wait(PAUSE_SECONDS):
            for ghost in random.choices(self._ghosts[-1:] * 3 + self._ghosts or [None]):
                if ghost is not None:
                    self._is_refused(self.api, ghost)
                    assert refused(self.api.refresh(ghost.pair["refresh"])) == "revoked"

    def _judge(self) -> None:
        row, began_at = self._row, self._began_at
        assert began_at is not None, "no fault has begun"
        since = [one for one in self.answers if one.sent_at + one.seconds > began_at]
        row.statuses.update(one.status for one in since)
        row.slowest = max(one.seconds for one in since)
        noticed = [
            one.sent_at + one.seconds - began_at
            for one in since
            if one.seconds >= NOTICEABLE_SECONDS or one.status != 200
        ]
        row.noticed, row.noticed_until = len(noticed), max(noticed, default=0.0)
        assert 200 in row.statuses
        assert [one for one in since if one.status != 200 and not self._is_excused(one)] == []

    def _is_excused(self, one: Answer) -> bool:
        return self._stalls.excuses(one.status, one.sent_at, one.sent_at + one.seconds)


def _from_anywhere(request: httpx.Request) -> None:
    host = random.getrandbits(24)
    address = f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}"
    request.headers["X-Forwarded-For"] = address
