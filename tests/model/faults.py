"""The state machine's rules for breaking Redis and workers: the whole machine."""

from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, precondition, rule

from carelink_api.sessions.denylist import session_key
from tests.conftest import close
from tests.model.endings import MachineWithEndings
from tests.model.machine import EMAILS, SESSIONS, WORKERS
from tests.model.redis_under_fire import UNREACHABLE, Mode

FAULTS = [mode for mode in Mode if mode is not Mode.HEALTHY]


class MachineUnderFire(MachineWithEndings):
    """The rules that break Redis and workers."""

    def redis_is(self, *modes: Mode) -> bool:
        return self.redis.mode in modes

    @precondition(lambda self: self.redis_is(Mode.HEALTHY))
    @rule(mode=st.sampled_from(FAULTS))
    def redis_fails(self, mode: Mode) -> None:
        self.redis.break_down(mode)
        if mode in UNREACHABLE:
            self.world.redis_failed()

    @precondition(lambda self: not self.redis_is(Mode.HEALTHY))
    @rule()
    def redis_is_mended(self) -> None:
        self.redis.mend()

    @precondition(lambda self: self.redis_is(Mode.HEALTHY, Mode.FULL, Mode.EVICTING))
    @rule()
    def redis_is_flushed(self) -> None:
        self.redis.flush()

    @precondition(lambda self: self.redis_is(Mode.HEALTHY))
    @rule(sid=SESSIONS)
    def redis_loses_an_entry(self, sid: str) -> None:
        self.redis.lose(session_key(sid), sid)

    @rule(how=st.sampled_from(["crashes", "comes back empty"]))
    def redis_restarts(self, how: str) -> None:
        if how == "crashes":
            self.redis.crash()
        else:
            self.redis.restart_empty()
        self.world.redis_failed()

    @rule()
    def a_copy_of_the_file_is_kept(self) -> None:
        self.redis.keep_file()

    @precondition(lambda self: self.redis.has_old_file)
    @rule()
    def redis_restarts_from_the_old_file(self) -> None:
        self.redis.restart_from_old_file()
        self.world.redis_failed()

    @rule(
        target=SESSIONS,
        email=EMAILS,
        at=WORKERS,
        lost=st.sampled_from([True, True, False]),
        heard=st.booleans(),
        seconds=st.sampled_from([0, 0.75, 1, 1, 1.5]),
    )
    def end_and_ask_soon(
        self, email: str, at: int, lost: bool, heard: bool, seconds: float
    ) -> str | MultipleResults[str]:
        """Both workers have just looked when one of them, or an operator, ends a session."""
        self.enable(email)
        begun = self.log_in(email, at)
        story = self.world.live(email)[-1]
        for each in (0, 1):
            self.listen(each)
            self.beat(each)
        if at:
            self.log_out(story.sid, at, 0)
        else:
            self.revoke_a_session(story.sid)
        if lost and self.redis_is(Mode.HEALTHY):
            self.redis.flush()
        if heard:
            self.listen(0)
            self.listen(1)
        self.wait(seconds)
        self.everybody_asks_for_everything()
        return begun

    @rule(at=WORKERS)
    def a_worker_dies_and_is_replaced(self, at: int) -> None:
        """What it remembered is lost, receipts and activity too."""
        left = self.world.replace_worker(at)
        self._made.remove(left)
        close(left)
