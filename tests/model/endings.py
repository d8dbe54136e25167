"""The state machine's rules for everything that ends sessions."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.sessions.accounts import disable_user, enable_user
from carelink_api.sessions.passwords import set_password
from carelink_api.sessions.revoking import Selection, revoke
from tests.auth_helper import weak_hash
from tests.model.machine import EMAILS, SESSIONS, WORKERS
from tests.model.oracle import End, Story
from tests.model.using import MachineInUse
from tests.model.world import PASSWORDS, Worker, refusal

CLI = "cli"
_COMPARE_SECONDS = 300
"""How often the housekeeper holds all of Redis against the database."""


class MachineWithEndings(MachineInUse):
    """The rules that end sessions, from inside and from outside."""

    # -- by their users ----------------------------------------------------------------------

    @rule(sid=SESSIONS, at=WORKERS, back=st.sampled_from([0, 1, 4]))
    def log_out(self, sid: str, at: int, back: int) -> None:
        """Any refresh token of the session will do."""
        story = self.story(sid)
        token = story.refresh[max(1, story.generation - back)]
        self._logged_out(story, self.worker(at), self.worker(at).auth.logout(token))

    @rule(sid=SESSIONS, at=WORKERS)
    def log_out_with_the_first_access_token(self, sid: str, at: int) -> None:
        """It may have expired long ago."""
        story = self.story(sid)
        answer = self.worker(at).auth.logout(access=story.access[0].text)
        self._logged_out(story, self.worker(at), answer)

    def _logged_out(self, story: Story, worker: Worker, answer: TestResponse) -> None:
        self.world.has_used_a_key(worker)
        stories = [] if story.end else [story]
        sids = self.world.end(stories, "logged_out", "session:logged_out", worker)
        self._told(sids, answer)

    @rule(sid=SESSIONS, at=WORKERS)
    def log_out_everywhere(self, sid: str, at: int) -> None:
        worker, token = self.worker(at), self.story(sid).access[-1]
        answer = worker.auth.logout_all(token.text)
        if not self.world.guard(worker, token, answer, active=True):
            return
        live = self.world.live(self.story(sid).user)
        assert answer.get_json()["sessions_ended"] == len(live)
        self._told(self.world.end(live, "logged_out", "session:logged_out", worker), answer)

    @rule(sid=SESSIONS, other=SESSIONS, at=WORKERS)
    def end_another_session(self, sid: str, other: str, at: int) -> None:
        """From the list of own sessions; a stranger's is not found."""
        worker, token = self.worker(at), self.story(sid).access[-1]
        path = f"/api/auth/sessions/{other}/"
        answer = worker.auth.client.delete(path, headers={"Authorization": f"Bearer {token.text}"})
        its = self.story(other)
        found = its.end is None and its.user == self.story(sid).user
        if answer.status_code == 404:
            assert not found
            assert "clean" in self.world.may_answer(worker, token)
            worker.note(token, self.world.now)
            self.world.has_asked(worker, token)
        elif self.world.guard(worker, token, answer, active=True):
            assert found
            self._told(self.world.end([its], "logged_out", "session:logged_out", worker), answer)

    @rule(sid=SESSIONS, at=WORKERS)
    def change_the_password(self, sid: str, at: int) -> None:
        """The other sessions end; this one goes on with the next generation."""
        story, worker = self.story(sid), self.worker(at)
        person, token = self.world.people[story.user], story.access[-1]
        if story.end is None and story.overdue(self.world.now):
            return  # the leeway of the access token: nothing is promised
        new = PASSWORDS[person.password == PASSWORDS[0]]
        body = {"current_password": person.password, "new_password": new}
        answer = worker.auth.post("password", body, access=token.text)
        if refusal(answer) == "invalid_credentials":
            assert story.end is not None
            assert "clean" in self.world.may_answer(worker, token)
            worker.note(token, self.world.now)
            self.world.has_asked(worker, token)
            self.world.owe("user:password_refused", sid, "refused")
        elif self.world.guard(worker, token, answer, active=True):
            assert story.end is None
            person.password, person.failures = new, 0
            self._password_changed(story, worker, answer)

    @rule(sid=SESSIONS, at=WORKERS)
    def change_the_password_and_replay(self, sid: str, at: int) -> None:
        """What the change retires is not forgiven, not even at once."""
        story = self.lively(sid, at)
        self.refresh(story.sid, at, lost=False)
        self.change_the_password(story.sid, at)
        self.present(story, at, max(1, story.generation - 1))

    def _password_changed(self, story: Story, worker: Worker, answer: TestResponse) -> None:
        self.world.owe("user:password_changed", story.sid)
        others = [other for other in self.world.live(story.user) if other is not story]
        ended = self.world.end(others, "password_changed", "session:revoked", worker)
        story.start_over()
        story.held = story.generation
        self.world.grant(story, answer.get_json())
        self._told(ended, answer)

    def _told(self, sids: set[str], answer: TestResponse) -> None:
        pending = answer.get_json().get("pending", False)
        assert answer.status_code == (202 if pending else 200), answer.text
        self.world.told(sids, pending=pending)

    # -- by operators ------------------------------------------------------------------------

    @rule(sid=SESSIONS)
    def revoke_a_session(self, sid: str) -> None:
        self._revoke(Selection(sid=sid), lambda story: story.sid == sid)

    @rule(email=EMAILS)
    def revoke_a_user(self, email: str) -> None:
        self._revoke(Selection(email=email), lambda story: story.user == email)

    @rule()
    def revoke_a_unit(self) -> None:
        self._revoke(Selection(unit="ICU"), lambda story: story.lifetimes.idle is not None)

    def _revoke(self, selection: Selection, chosen: Callable[[Story], bool]) -> None:
        now = self.world.now
        live = [story for story in self.world.live() if chosen(story) and story.expires_at > now]
        with self.world.console.app.app_context():
            batches = list(revoke(db.session(), selection, "drill", now=clock.now(), actor=CLI))
        assert sum(batch.ended for batch in batches) == len(live)
        sids = self.world.end(live, "revoked", "session:revoked", self.world.console)
        self.world.told(sids, pending=not all(batch.redis_knows for batch in batches))

    @rule(email=EMAILS)
    def disable(self, email: str) -> None:
        self._end_all_of(email, "user_disabled", "user:disabled", _disable)
        self.world.people[email].disabled = True

    @rule(email=EMAILS)
    def enable(self, email: str) -> None:
        person = self.world.people[email]
        person.disabled, person.failures = False, 0
        with self.world.console.app.app_context():
            enable_user(db.session(), person.account.id, now=clock.now(), actor=CLI)
        self.world.owe("user:enabled")

    @rule(email=EMAILS)
    def set_the_password(self, email: str) -> None:
        person = self.world.people[email]
        person.password = PASSWORDS[person.password == PASSWORDS[0]]
        person.failures = 0

        def act(sql: Sql, user_id: int) -> tuple[int, bool]:
            hashed = weak_hash(person.password)
            return set_password(sql, user_id, hashed, now=clock.now(), actor=CLI)

        self._end_all_of(email, "password_changed", "user:password_changed", act)

    def _end_all_of(
        self, email: str, reason: str, event: str, act: Callable[[Sql, int], tuple[int, bool]]
    ) -> None:
        live = self.world.live(email)
        with self.world.console.app.app_context():
            count, redis_knows = act(db.session(), self.world.people[email].account.id)
        assert count == len(live)
        self.world.owe(event)
        sids = self.world.end(live, reason, "session:revoked", self.world.console)
        self.world.told(sids, pending=not redis_knows)

    # -- by time -----------------------------------------------------------------------------

    @rule()
    def keep_house(self) -> None:
        """One round of the housekeeper: time ends sessions, and Redis is told what it missed."""
        world = self.world
        overdue = {story.sid: reasons for story in world.live()
                   if (reasons := story.overdue(world.now))}  # fmt: skip
        for sid, reasons in overdue.items():
            self.story(sid).end = End(reasons, world.now, {world.console})
            world.owe("session:expired", sid)
        with world.console.app.app_context():
            chores = world.keeper.round(db.session(), clock.now())
        assert chores.expired == len(overdue)
        self._published(redis_knows=chores.redis_knows)

    def _published(self, *, redis_knows: bool) -> None:
        world = self.world
        ended = {story.sid for story in world.ended() if story.expires_at > world.now}
        missed = ended - world.published
        whole = world.reconciled_at is None or (world.now - world.reconciled_at >= _COMPARE_SECONDS)
        due = ended if whole else missed
        if due:
            assert (not redis_knows) in world.redis.pending
        if redis_knows:
            world.published |= ended
            world.redis.took(due)
            world.reconciled_at = world.now if whole else world.reconciled_at


def _disable(sql: Sql, user_id: int) -> tuple[int, bool]:
    return disable_user(sql, user_id, now=clock.now(), actor=CLI)
