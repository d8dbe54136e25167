"""People who read and refresh without pause, and what has been answered to them meanwhile."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from sqlalchemy import create_engine, select

from carelink_api.audit.models import AuditEvent
from carelink_api.sessions.models import Session
from tests.auth_helper import Account
from tests.e2e.clients import Api, claims_of, granted
from tests.processes import wait_for
from tests.servers import ApiServer
from tests.stalls import Stalls

CLIENT_TIMEOUT_SECONDS = 5.0
LOST = 0
"""In place of a status: the connection broke, or no answer came in time."""
_PAUSE_SECONDS = 0.005


@dataclass(frozen=True)
class Answer:
    """One call, by the monotonic clock."""

    call: str
    sent_at: float
    ended_at: float
    status: int
    retry_after: str | None


@dataclass
class Tab:
    """One session in one browser: it reads, refreshes, and tries again what was not answered."""

    api: Api
    pair: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)
    reissued: int = 0

    @property
    def sid(self) -> str:
        return str(self.pair["session"]["id"])

    def turn(self) -> None:
        self._ask("read")
        answer = self._ask("refresh")
        if answer is not None and answer.status_code == 200:
            self.pair = answer.json()
            self.reissued += self.pair["reissued"]

    def _ask(self, call: str) -> httpx.Response | None:
        sent_at = time.monotonic()
        try:
            if call == "read":  # what the guard lets in; `me` needs SQL once for each token
                answer = self.api.verify(self.pair["access"])
            else:
                answer = self.api.refresh(self.pair["refresh"])
        except httpx.TransportError:
            self.answers.append(Answer(call, sent_at, time.monotonic(), LOST, None))
            return None
        retry_after = answer.headers.get("Retry-After")
        seen = Answer(call, sent_at, time.monotonic(), answer.status_code, retry_after)
        self.answers.append(seen)
        return answer


def logged_in(api: Api, account: Account) -> dict[str, Any]:
    """Log in, and come back as often as a 503 asks for it.

    Right after a fault the first use of each connection that it has ended is answered so.
    """
    answers: list[httpx.Response] = []

    def is_let_in() -> bool:
        answers.append(api.login(account))
        if answers[-1].status_code == 503:
            assert int(answers[-1].headers["Retry-After"]) >= 1
        return answers[-1].status_code != 503

    wait_for(is_let_in, "a login")
    return granted(answers[-1])


class Crowd:
    """Several tabs at once, each on a connection of its own, from `with` until its end."""

    def __init__(self, server: ApiServer, account: Account, size: int = 4) -> None:
        self._clients = [server.client(timeout=CLIENT_TIMEOUT_SECONDS) for _ in range(size)]
        self.tabs = [Tab(Api(http), logged_in(Api(http), account)) for http in self._clients]
        self._stopping = threading.Event()
        self._stalls = Stalls()
        self._pool = ThreadPoolExecutor(size)
        self._runs: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._stalls.__enter__()
        self._runs = [self._pool.submit(self._run, tab) for tab in self.tabs]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        self._stalls.__exit__()
        for run in self._runs:
            run.result()

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _run(self, tab: Tab) -> None:
        while not self._stopping.wait(_PAUSE_SECONDS):
            tab.turn()

    def wait_for(self, call: str, *statuses: int, count: int = 5) -> float:
        """Wait until every tab has such an answer so often to what it sends from now on.

        Returns how long the first ones took, in seconds from now, for the tab that waited longest.
        """
        now = time.monotonic()

        def found(tab: Tab) -> list[Answer]:
            answers = [each for each in list(tab.answers) if each.sent_at >= now]
            return [each for each in answers if each.call == call and each.status in statuses]

        try:
            wait_for(lambda: all(len(found(tab)) >= count for tab in self.tabs), "answers")
        except TimeoutError as error:
            raise AssertionError(f"{call}: no {statuses} but {self.statuses(call, now)}") from error
        return max(found(tab)[0].ended_at for tab in self.tabs) - now

    def unexcused(self, call: str) -> set[int]:
        """Return the statuses of all the answers but those of a worker that got no time."""
        return {
            each.status
            for each in self.all_answers()
            if each.call == call
            and not self._stalls.excuses(each.status, each.sent_at, each.ended_at)
        }

    def statuses(self, call: str, since: float = 0.0) -> Counter[int]:
        return Counter(each.status for each in self.all_answers(since) if each.call == call)

    def all_answers(self, since: float = 0.0) -> list[Answer]:
        return [a for tab in self.tabs for a in list(tab.answers) if a.sent_at >= since]

    def told(self, name: str, since: float) -> None:
        """Print what clients have seen since: `pytest -rP` shows it, for docs/operations.md."""
        for call in ("read", "refresh"):
            answers = [each for each in self.all_answers(since) if each.call == call]
            slowest = max((each.ended_at - each.sent_at for each in answers), default=0)
            print(
                f"MEASURED {name}: {call} {dict(self.statuses(call, since))}, slowest answer "
                f"{slowest:.2f} s, longest without a 200: "
                f"{_longest_gap(self.tabs, call, since):.2f} s"
            )


def _longest_gap(tabs: Sequence[Tab], call: str, since: float) -> float:
    gaps = [0.0]
    for tab in tabs:
        good = [since]
        good += [a.ended_at for a in tab.answers if (a.call, a.status) == (call, 200)]
        good = sorted(moment for moment in good if moment >= since)
        gaps += [later - earlier for earlier, later in itertools.pairwise(good)]
    return max(gaps)


def assert_one_line_each(crowd: Crowd, store: str) -> None:
    """No session has ended or forked: its client holds the one current generation.

    Every generation was made by exactly one rotation, and nobody was answered with 401.
    """
    engine = create_engine(store)
    for tab in crowd.tabs:
        tab.pair = granted(tab.api.refresh(tab.pair["refresh"]))
        granted(tab.api.me(tab.pair["access"]))
        events = select(AuditEvent.event).where(AuditEvent.sid == tab.sid)
        with engine.connect() as connection:
            row = connection.execute(select(Session).where(Session.id == tab.sid)).one()
            kinds = Counter(connection.scalars(events))
        assert row.ended_at is None
        assert claims_of(tab.pair["refresh"])["gen"] == row.generation
        assert kinds.pop("session:refreshed") == row.generation - 1
        assert set(kinds) <= {"login:succeeded", "session:reissued"}
    engine.dispose()
    assert 401 not in crowd.statuses("read") + crowd.statuses("refresh")
