"""The state machine's ground: stores, workers, logins, time, and what always holds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import time_machine
from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from carelink_api import clock, create_app
from carelink_api.accounts.models import User
from carelink_api.auth.tokens import tokens
from carelink_api.config import Settings
from carelink_api.database import from_epoch, writing
from carelink_api.extensions import db
from carelink_api.extensions import settings as current_settings
from carelink_api.sessions.starting import Device, lock_user, start_session
from carelink_api.shifts.rules import Duty
from tests.conftest import TEST_SETTINGS, Travel, close
from tests.engines import share_compiled_statements
from tests.model.oracle import Story, Windows
from tests.model.redis_under_fire import RedisUnderFire
from tests.model.world import PROFILES, USERS, Worker, World, refusal

SESSIONS = Bundle("sessions")
EMAILS = st.sampled_from(sorted(USERS))
WORKERS = st.sampled_from([0, 1])
WAITS = (0.25, 0.5, 0.75, 1, 5, 10, 11, 60, 200, 300, 301, 360.25, 800, 900, 901, 3600, 5 * 3600)
MOST_LIVE = 8
"""Sessions of a user: fewer than the cap, which is another story."""
MOST_FAILURES = 8


class Machine(RuleBasedStateMachine):
    """Sessions begin, and time passes."""

    def __init__(
        self,
        fresh_store: Callable[[Path], str],
        redis: RedisUnderFire,
        folder: Path,
        windows: Windows,
        check: str,
    ) -> None:
        super().__init__()
        self._check = check
        self._windows = windows
        self._fresh_store, self.redis, self._folder = fresh_store, redis, folder
        self._made: list[Flask] = []
        self._time: time_machine.travel | None = None

    @initialize()
    def start(self) -> None:
        """Begin at a whole second with everything empty; time moves only when told to."""
        self.redis.begin()
        self._time = time_machine.travel(clock.now().replace(microsecond=0), tick=False)
        self.travel = Travel(self._time.start())
        self._folder.mkdir()
        own = {
            "log_level": "error",
            "sqlalchemy_database_uri": self._fresh_store(self._folder),
            "redis_url": self.redis.server.url,
            "denylist_check": self._check,
            "rotate_refresh_tokens": self._windows.rotate,
            "rotation_grace_seconds": self._windows.grace,
            "lost_response_window_seconds": self._windows.lost_response,
            "session_profiles": {"high_security": {"idle_seconds": PROFILES["high_security"].idle}},
        }
        self._settings = Settings.load(self._folder, **(TEST_SETTINGS | own))
        self.world = World(self._make_worker, self.redis, self._windows)

    def _make_worker(self) -> Flask:
        app = create_app(self._settings, background=False)
        self._made.append(app)
        share_compiled_statements(app)
        return app

    def teardown(self) -> None:
        for worker in self.world.workers:
            worker.stop_listening()
        for app in self._made:
            close(app)
        if self._time is not None:
            self._time.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def enable(self, email: str) -> None:
        """Let a user in again; a rule of the endings."""
        raise NotImplementedError

    def keep_house(self) -> None:
        """Expire and publish; a rule of the endings."""
        raise NotImplementedError

    def worker(self, index: int) -> Worker:
        return self.world.workers[index]

    def story(self, sid: str) -> Story:
        return self.world.stories[sid]

    def lively(self, sid: str, at: int) -> Story:
        """Return that session; where it has ended one that goes on, begun if need be."""
        story, now = self.story(sid), self.world.now
        if not story.over(now):
            return story
        live = [other for other in self.world.live() if not other.overdue(now)]
        if live:
            return live[len(self.world.stories) % len(live)]
        self.enable(story.user)
        self.keep_house()  # overdue sessions would count against the most that may live
        self.log_in(story.user, at)
        return self.world.live(story.user)[-1]

    # -- logging in --------------------------------------------------------------------------

    @rule(target=SESSIONS, email=EMAILS, at=WORKERS)
    def log_in(self, email: str, at: int) -> str | MultipleResults[str]:
        if len(self.world.live(email)) >= MOST_LIVE:
            return multiple()
        person = self.world.people[email]
        answer = self.worker(at).auth.login(email, person.password)
        if person.disabled:
            assert refusal(answer) == "invalid_credentials"
            self.world.owe("login:refused", outcome="refused")
            return multiple()
        assert answer.status_code == 200, answer.text
        person.failures = 0
        self.world.has_used_a_key(self.worker(at))
        return self._started(email, answer.get_json(), None)

    @rule(email=EMAILS, at=WORKERS)
    def log_in_with_a_wrong_password(self, email: str, at: int) -> None:
        person = self.world.people[email]
        if person.failures >= MOST_FAILURES:
            return
        person.failures += not person.disabled
        answer = self.worker(at).auth.login(email, "not " + person.password)
        assert refusal(answer) == "invalid_credentials"
        self.world.owe("login:refused", outcome="refused")

    @rule(target=SESSIONS, email=EMAILS, at=WORKERS, seconds=st.sampled_from([300, 1800, 20000]))
    def start_a_shift(self, email: str, at: int, seconds: int) -> str | MultipleResults[str]:
        """Log in with a shift that caps the session, through the seam to the roster."""
        person = self.world.people[email]
        if person.disabled or len(self.world.live(email)) >= MOST_LIVE:
            return multiple()
        ends_at = self.world.now + seconds
        with self.worker(at).app.app_context():
            answer = _start_shift(person.account.id, ends_at)
        self.world.has_used_a_key(self.worker(at))
        return self._started(email, answer, ends_at)

    def _started(self, email: str, answer: dict[str, Any], shift_ends_at: float | None) -> str:
        sid: str = answer.get("session", {}).get("id") or answer["sid"]
        now, lifetimes = self.world.now, PROFILES[USERS[email]]
        story = Story(sid, email, lifetimes, self.world.windows, now, shift_ends_at, now)
        self.world.stories[sid] = story
        self.world.owe("login:succeeded", sid)
        self.world.grant(story, answer)
        return sid

    # -- time passes -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: float) -> None:
        self.travel(seconds)

    @rule(at=WORKERS)
    def beat(self, at: int) -> None:
        """A worker's two threads have their turn."""
        worker = self.worker(at)
        assert worker.parts.pulse.beat()
        worker.has_read = True
        self.world.knows_all(worker)
        worker.parts.denylist.probe()
        worker.reaches_redis = self.redis.answers
        self.write_notes(worker)

    @rule(at=WORKERS)
    def listen(self, at: int) -> None:
        """A worker hears what has been said, or that nobody can say anything."""
        self.worker(at).listen()

    def write_notes(self, worker: Worker) -> None:
        assert worker.parts.activity.flush(self.world.now, everything=True)
        for sid, (generation, active_at) in worker.notes.items():
            story = self.story(sid)
            story.receipt = max(story.receipt, generation)
            story.last_active = max(story.last_active, active_at)
        worker.notes.clear()

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def every_operation_has_exactly_one_audit_event(self) -> None:
        owed, self.world.owed = self.world.owed, type(self.world.owed)()
        assert self.world.new_events() == owed

    @invariant()
    def every_session_has_the_one_current_token_and_end(self) -> None:
        rows = self.world.rows()
        assert rows.keys() == self.world.stories.keys()
        for sid, (generation, jti, reason) in rows.items():
            story = self.story(sid)
            assert (generation, jti) == (story.generation, story.jti[story.generation])
            assert reason in (story.end.reasons if story.end else {None})
            if story.end and reason:
                story.end.reasons = {reason}


def _start_shift(user_id: int, ends_at: float) -> dict[str, Any]:
    sql = db.session()
    duty = Duty(7, from_epoch(ends_at))
    with writing(sql):
        hashed = sql.get_one(User, user_id).password_hash
        user = lock_user(sql, user_id, hashed, will_write=False)
        grant, _ = start_session(
            sql, user, current_settings(), Device("ward", None), now=clock.now(), duty=duty
        )
    pair = tokens().mint(grant)
    capped = {"access_capped_by": "idle"} if grant.access_expires.capped_by_idle else {}
    return {"sid": grant.session.id, "access": pair.access, "refresh": pair.refresh} | capped
