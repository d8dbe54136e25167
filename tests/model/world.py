"""The real application under the state machine: workers on the same stores, each with its oracle.

Every act returns nothing: what the application answers is held against what the oracle allows, and
the audit events that the design asks for are counted up in `owed`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.redis_channel import Channel
from carelink_api.redis_client import STORE_ERRORS
from carelink_api.sessions.hints import CHANNEL, read_hint
from carelink_api.sessions.models import Session
from carelink_api.sessions.runtime import Runtime
from tests.auth.helpers import claims_of
from tests.auth_helper import PASSWORD, Account, Auth
from tests.model.oracle import Access, End, Lifetimes, Story, Windows, public
from tests.model.redis_under_fire import RedisUnderFire

PASSWORDS = (PASSWORD, "copper lantern under the bridge")
PROFILES = {
    "standard": Lifetimes(access=900, absolute=12 * 3600, idle=None),
    "high_security": Lifetimes(access=300, absolute=8 * 3600, idle=300),
}
USERS = {"ward@doctors.example": "standard", "icu@doctors.example": "high_security"}
NOBODYS = "nobody's"
PROMISED_SECONDS = 1.0
Owed = Counter[tuple[str, str, str]]
"""Audit events by name, `sid` (or `nobody's`) and outcome."""


@dataclass
class Person:
    """A user, as the oracle knows them."""

    account: Account
    password: str
    disabled: bool = False
    failures: int = 0


class Worker:
    """One process: an application with a memory of its own."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._channel: Channel | None = None
        self.heard: set[str] = set()
        """Sessions of whose end it was told while it listened."""
        self.auth = Auth(app)
        self.reaches_redis = True
        self.has_read = False
        self.notes: dict[str, tuple[int, float]] = {}
        """Calls of which SQL has not been told: generation and last activity."""

    @property
    def parts(self) -> Runtime:
        found: Runtime = self.app.extensions["carelink"]
        return found

    @property
    def listens(self) -> bool:
        return self._channel is not None

    def listen(self) -> None:
        """Take what was said on the channel; one that does not listen yet begins to."""
        hearing = self.parts.hearing
        if hearing is None:
            return
        try:
            if self._channel is None:
                self._channel = Channel(self.parts.denylist.client, CHANNEL).__enter__()
                hearing.begin()
            while (message := self._channel.receive(0)) is not None:
                hearing.take(message)
                hint = read_hint(message)
                assert hint is not None
                self.heard |= set(hint.sids)
            hearing.take(None)
        except STORE_ERRORS:
            self.stop_listening()

    def stop_listening(self) -> None:
        if self._channel is not None:
            self._channel.__exit__()
            self._channel = None
        if self.parts.hearing is not None:
            self.parts.hearing.end()

    def note(self, token: Access, active_at: float) -> None:
        generation, active = self.notes.get(token.sid, (0, 0.0))
        self.notes[token.sid] = max(generation, token.generation), max(active, active_at)


class World:
    """Two workers and a console (the operators' commands and the housekeeper) on one store."""

    def __init__(
        self, make_worker: Callable[[], Flask], redis: RedisUnderFire, windows: Windows
    ) -> None:
        self._make_worker = make_worker
        self.redis = redis
        self.windows = windows
        self.console = Worker(make_worker())
        self.workers = [Worker(make_worker()) for _ in range(2)]
        with self.console.app.app_context():
            self.engine: Engine = db.engine
            self.keeper = Housekeeper(self.console.parts)
        self.people = {email: self._create(email, USERS[email]) for email in USERS}
        self.stories: dict[str, Story] = {}
        self.owed: Owed = Counter()
        self.published: set[str] = set()
        """What the housekeeper has seen Redis take, lost meanwhile or not."""
        self.reconciled_at: float | None = None
        self._last_event = 0

    def _create(self, email: str, profile: str) -> Person:
        unit = {"standard": {}, "high_security": {"unit": "ICU", "profile": profile}}[profile]
        account = self.console.auth.create_user(email, "doctor", **unit)
        return Person(account, PASSWORD)

    @property
    def now(self) -> float:
        return clock.wall()

    def replace_worker(self, index: int) -> Flask:
        """Put a new process in a worker's place; return what is left of the old one."""
        old, self.workers[index] = self.workers[index], Worker(self._make_worker())
        old.stop_listening()
        for end in self.ends():
            end.known_by.discard(old)
        return old.app

    def redis_failed(self) -> None:
        """A request may have noticed: nobody is sure to ask Redis before the next probe."""
        for worker in [*self.workers, self.console]:
            worker.reaches_redis = False

    def live(self, user: str | None = None) -> list[Story]:
        """Return the sessions that nothing has ended in SQL, overdue ones too."""
        every = [story for story in self.stories.values() if story.end is None]
        return [story for story in every if user in (None, story.user)]

    def ended(self) -> list[Story]:
        return [story for story in self.stories.values() if story.end is not None]

    def ends(self) -> list[End]:
        return [story.end for story in self.stories.values() if story.end is not None]

    def owe(self, event: str, sid: str = NOBODYS, outcome: str = "success") -> None:
        """Expect one audit event."""
        self.owed[event, sid, outcome] += 1

    def end(self, stories: Iterable[Story], reason: str, event: str, by: Worker) -> set[str]:
        """Note that `by` has ended these; return their `sid`s."""
        ended = list(stories)
        for story in ended:
            story.end = End({reason}, self.now, {by})
            self.owe(event, story.sid, "alert" if reason == "reused" else "success")
        return {story.sid for story in ended}

    def told(self, sids: set[str], *, pending: bool) -> None:
        """Hold against Redis's state what an answer said of it."""
        assert pending in (self.redis.pending if sids else {False}), self.redis.mode
        if not pending:
            self.redis.took(sids)

    def may_answer(self, worker: Worker, token: Access) -> set[str]:
        """Return what the guard may say of an access token: `clean`, or the reasons allowed."""
        story = self.stories[token.sid]
        if token.has_expired(self.now):
            return {"expired"}
        if story.end is None:
            return {"clean"}
        reasons = public(story.end.reasons)
        if self._must_refuse(worker, story.end, token.sid):
            return reasons
        return reasons | {"clean"}

    def _must_refuse(self, worker: Worker, end: End, sid: str) -> bool:
        if worker in end.known_by or not worker.has_read:
            return True
        asks_redis = not worker.listens or sid in worker.heard  # else memory may answer alone
        sees_redis = worker.reaches_redis and self.redis.answers and asks_redis
        return (sees_redis and sid in self.redis.holds) or self.now - end.at >= PROMISED_SECONDS

    def guard(self, worker: Worker, token: Access, answer: TestResponse, *, active: bool) -> bool:
        """Hold a guarded route's answer against the promise; return whether it let the token in."""
        said = refusal(answer) or "clean"
        allowed = self.may_answer(worker, token)
        self.has_asked(worker, token)
        assert said in allowed, f"{said}, where only {allowed} was promised"
        if said != "clean":
            return False
        worker.note(token, self.now if active else 0.0)
        return True

    def has_asked(self, worker: Worker, token: Access) -> None:
        """A worker that has never read the list has read it before its first answer."""
        if not token.has_expired(self.now):
            self.has_used_a_key(worker)

    def has_used_a_key(self, worker: Worker) -> None:
        """Whoever signs or reads a token has read which keys hold, and the list with them."""
        if not worker.has_read:
            worker.has_read = True
            self.knows_all(worker)

    def knows_all(self, worker: Worker) -> None:
        for end in self.ends():
            end.known_by.add(worker)

    def grant(self, story: Story, answer: dict[str, Any], *, reissued: bool = False) -> None:
        """Check an answer's tokens and keep them: they are of the current generation."""
        access, refresh = claims_of(answer["access"]), claims_of(answer["refresh"])
        number = story.generation
        assert (access["gen"], refresh["gen"], refresh["sid"]) == (number, number, story.sid)
        assert refresh["jti"] == story.jti.setdefault(number, refresh["jti"])
        assert list(story.jti.values()).count(refresh["jti"]) == 1
        expires_at, capped = story.access_expires_at(self.now)
        assert access["exp"] == int(expires_at)
        assert refresh["exp"] == int(story.expires_at)
        assert answer.get("access_capped_by") == ("idle" if capped else None)
        assert answer.get("reissued", False) is reissued
        story.refresh[number] = answer["refresh"]
        story.access.append(Access(answer["access"], story.sid, number, expires_at))

    def new_events(self) -> Owed:
        """Return the audit events since the last call, but for those of the trail about itself: its
        verifications come by the clock, whatever anybody does.
        """
        query = select(AuditEvent.id, AuditEvent.event, AuditEvent.sid, AuditEvent.outcome)
        with self.engine.connect() as connection:
            newer = query.where(AuditEvent.id > self._last_event)
            rows = connection.execute(newer.where(AuditEvent.event != Event.AUDIT_VERIFIED)).all()
        self._last_event = max([self._last_event, *(row.id for row in rows)])
        return Counter((row.event, row.sid or NOBODYS, row.outcome) for row in rows)

    def rows(self) -> dict[str, tuple[int, str, str | None]]:
        """Return generation, current refresh token and end of every session's row."""
        columns = (Session.id, Session.generation, Session.refresh_jti, Session.end_reason)
        with self.engine.connect() as connection:
            rows = connection.execute(select(*columns)).all()
        return {row.id: (row.generation, row.refresh_jti, row.end_reason) for row in rows}


def refusal(answer: TestResponse) -> str | None:
    """Return why a token was refused, or None where it was not."""
    if answer.status_code != 401:
        assert answer.status_code in (200, 202), answer.text
        return None
    body: dict[str, Any] = answer.get_json()
    return str(body.get("reason", body["code"]))
