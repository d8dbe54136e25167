"""The state machine's rules for using sessions: refreshing, replaying, calling, asking."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.machine import SESSIONS, WORKERS, Machine
from tests.model.oracle import FORGIVEN, Story, Verdict, public
from tests.model.world import refusal

PATHS = {
    "me": "/api/auth/me/",
    "sessions": "/api/auth/sessions/",
    "appointments": "/api/appointments/",
}
SOME_PATH = st.sampled_from(list(PATHS))


class MachineInUse(Machine):
    """What clients do with their tokens, and what others do with copies of them."""

    # -- refreshing --------------------------------------------------------------------------

    @rule(sid=SESSIONS, at=WORKERS, lost=st.booleans())
    def refresh(self, sid: str, at: int, lost: bool) -> None:
        """The client refreshes with what it holds; the answer may not reach it."""
        story = self.lively(sid, at)
        verdict = self.present(story, at, story.held)
        if verdict in (Verdict.ROTATE, Verdict.REISSUE) and not lost:
            story.held = story.generation

    @rule(sid=SESSIONS, at=WORKERS, back=st.integers(1, 18))
    def replay(self, sid: str, at: int, back: int) -> None:
        """Somebody shows an earlier refresh token."""
        story = self.lively(sid, at)
        self.present(story, at, max(1, story.generation - back))

    @rule(sid=SESSIONS, at=WORKERS, rounds=st.integers(1, 7), pause=st.sampled_from([11, 300]))
    def lose_every_answer(self, sid: str, at: int, rounds: int, pause: int) -> None:
        """Each refresh is followed by a late one with its predecessor."""
        story = self.lively(sid, at)
        for _ in range(rounds):
            self.present(story, at, story.generation)
            self.wait(pause)
            self.present(story, at, max(1, story.generation - 1))
            story.held = story.generation

    @rule(sid=SESSIONS, at=WORKERS, times=st.sampled_from([2, 17]))
    def refresh_many_times(self, sid: str, at: int, times: int) -> None:
        story = self.lively(sid, at)
        for _ in range(times):
            self.present(story, at, story.generation)
        self.present(story, at, max(1, story.generation - FORGIVEN))  # the oldest forgiven, at most
        story.held = story.generation

    @rule(sid=SESSIONS, at=WORKERS)
    def refresh_whatever_has_become_of_it(self, sid: str, at: int) -> None:
        story = self.story(sid)
        self.present(story, at, story.generation)
        story.held = story.generation

    def present(self, story: Story, at: int, generation: int) -> Verdict:
        """Show a refresh token and hold the answer against the oracle's verdict."""
        world, worker, now = self.world, self.worker(at), self.world.now
        verdict = story.judge(generation, now)
        answer = worker.auth.refresh(story.refresh[generation])
        world.has_used_a_key(worker)
        said = refusal(answer)
        match verdict:
            case Verdict.EXPIRED:
                assert said == "expired"
            case Verdict.REFUSED:
                assert said in public(story.over(now)), said
                world.owe("session:refresh_refused", story.sid, "refused")
            case Verdict.REUSE:
                assert said == "reused"
                sids = world.end([story], "reused", "session:reused", worker)
                world.told(sids, pending=True in world.redis.pending)
            case _:
                assert said is None, said
                self._went_on(story, generation, verdict, answer.get_json())
        return verdict

    def _went_on(
        self, story: Story, generation: int, verdict: Verdict, answer: dict[str, Any]
    ) -> None:
        outcome = "success"
        if verdict is Verdict.ROTATE:
            story.rotate(self.world.now)
        elif verdict is Verdict.REISSUE:
            outcome = "alert" if story.is_alarming(generation, self.world.now) else "success"
            story.reissue(generation, self.world.now)
        event = {Verdict.ROTATE: "refreshed", Verdict.KEEP: "kept", Verdict.REISSUE: "reissued"}
        self.world.owe(f"session:{event[verdict]}", story.sid, outcome)
        self.world.grant(story, answer, reissued=verdict is Verdict.REISSUE)

    # -- calling -----------------------------------------------------------------------------

    @rule(
        sid=SESSIONS,
        at=WORKERS,
        back=st.sampled_from([0, 0, 1, 5]),
        path=SOME_PATH,
    )
    def call(self, sid: str, at: int, back: int, path: str) -> None:
        """Somebody uses one of the newest access tokens."""
        world, worker = self.world, self.worker(at)
        token = self.story(sid).access[-1 - min(back, len(self.story(sid).access) - 1)]
        answer = worker.auth.get(PATHS[path], token.text)
        if not world.guard(worker, token, answer, active=path != "me"):
            return
        if path == "appointments":
            world.owe("appointments:listed", sid)
        if path == "sessions":
            self._check_list(self.story(sid).user, answer.get_json()["items"])

    @rule(sid=SESSIONS, at=WORKERS, path=SOME_PATH)
    def leave_a_receipt(self, sid: str, at: int, path: str) -> None:
        """The client uses its newest access token, and SQL is told at once."""
        self.call(self.lively(sid, at).sid, at, 0, path)
        self.write_notes(self.worker(at))

    @rule(sid=SESSIONS, at=WORKERS, back=st.sampled_from([0, 1, 3]))
    def verify(self, sid: str, at: int, back: int) -> None:
        """Ask whether tokens would be accepted; that changes nothing."""
        story, worker = self.story(sid), self.worker(at)
        generation = max(1, story.generation - back)
        verdict = story.judge(generation, self.world.now)
        said = refusal(worker.auth.verify(story.refresh[generation]))
        self.world.has_used_a_key(worker)
        expected = {
            Verdict.EXPIRED: {"expired"},
            Verdict.REFUSED: public(story.over(self.world.now)),
            Verdict.REUSE: {"revoked"},
        }.get(verdict, {None})
        assert said in expected, (said, expected)

    @rule()
    def everybody_asks_for_everything(self) -> None:
        """No worker accepts what it must refuse, nor refuses what is healthy."""
        for worker in self.world.workers:
            for story in self.world.stories.values():
                answer = worker.auth.me(story.access[-1].text)
                self.world.guard(worker, story.access[-1], answer, active=False)

    def _check_list(self, email: str, items: list[dict[str, Any]]) -> None:
        own = {sid: story for sid, story in self.world.stories.items() if story.user == email}
        assert {item["id"] for item in items} <= set(own)
        for item in items:
            end = own[item["id"]].end
            assert item["end_reason"] in (end.reasons if end else {None})
