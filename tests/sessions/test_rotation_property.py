"""After any mix of refresh, replay, use and waiting, a session has one current refresh token."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from carelink_api.sessions.rotation import (
    MAX_RETIREMENTS,
    REUSE_STREAK,
    Lineage,
    Refused,
    Reissue,
    Reuse,
    Rotate,
    RotationWindows,
    Verdict,
    decide_rotation,
    retirements_after,
    streak_after_rotation,
)

START = datetime(2030, 5, 1, 7, tzinfo=UTC)
NEVER = timedelta(0)
WINDOWS = st.builds(
    RotationWindows,
    st.sampled_from([NEVER, timedelta(seconds=10)]),
    st.sampled_from([NEVER, timedelta(minutes=15)]),
)
LATE_ROUND = [("refresh", 0), ("wait", 11), ("refresh", 1)]
REFRESH = st.tuples(st.just("refresh"), st.just(0))
REPLAY = st.tuples(st.just("refresh"), st.integers(0, 20))
USE = st.tuples(st.just("use"), st.integers(0, 2))
WAIT = st.tuples(st.just("wait"), st.sampled_from([1, 5, 10, 11, 300, 900, 901]))
LATE_ROUNDS = st.integers(1, 7).map(lambda count: LATE_ROUND * count)
BURST = st.integers(15, 20).map(lambda count: [("refresh", 0)] * count)
ONE = st.one_of(REFRESH, REPLAY, USE, WAIT).map(lambda act: [act])
STORIES = st.lists(st.one_of(ONE, ONE, ONE, LATE_ROUNDS, BURST), max_size=40).map(
    lambda chapters: [act for chapter in chapters for act in chapter]
)


class Row:
    """One session's row in memory, written as the use case writes it; and its whole history."""

    def __init__(self, windows: RotationWindows, idle: timedelta | None) -> None:
        self.windows = windows
        self.now = START
        self.retired_at: dict[int, datetime] = {}
        self.late: set[int] = set()
        self.state = Lineage(
            generation=1,
            predecessor_retired_at=None,
            retired=[],
            used_generation=0,
            late_reissues=0,
            late_generation=0,
            expires_at=START + timedelta(days=30),
            shift_ends_at=None,
            idle=idle,
            idle_at=None,
            ended_reason=None,
            refuse_from=None,
            user_disabled=False,
            by_cookie=False,
        )

    def judge(self, presented: int) -> Verdict:
        return decide_rotation(self.state, presented, self.now, self.windows)

    def refresh(self, presented: int) -> Verdict:
        verdict = self.judge(presented)
        match verdict:
            case Rotate():
                self._rotate(presented)
            case Reissue(streak) if streak is not None:
                self.late.add(self.state.generation)
                self.state = replace(
                    self.state, late_reissues=streak, late_generation=self.state.generation
                )
            case Reuse():
                self.state = replace(self.state, ended_reason="reused")
        return verdict

    def use(self, generation: int) -> None:
        used = max(self.state.used_generation, generation)
        self.state = replace(self.state, used_generation=used)

    def _rotate(self, presented: int) -> None:
        self.retired_at[presented] = self.now
        self.state = replace(
            self.state,
            generation=presented + 1,
            predecessor_retired_at=self.now,
            retired=retirements_after(self.state, presented, self.now, self.windows.grace),
            late_reissues=streak_after_rotation(self.state),
        )

    def is_inside_grace(self, presented: int) -> bool:
        youngest = sorted(self.retired_at)[-MAX_RETIREMENTS:]
        age = self.now - self.retired_at[presented]
        return presented in youngest and bool(self.windows.grace) and age <= self.windows.grace

    def answer_was_probably_lost(self, presented: int) -> bool:
        window = self.windows.lost_response
        if self.state.idle is not None:
            window = min(window, self.state.idle)
        is_predecessor = presented == self.state.generation - 1
        child_unused = self.state.used_generation < self.state.generation
        young = self.now - self.retired_at[presented] <= window
        return bool(window) and is_predecessor and child_unused and young

    def is_the_sixth_late_one_running(self) -> bool:
        current = self.state.generation
        if current in self.late:
            return False  # counted already, and answered then
        return all(current - back in self.late for back in range(1, REUSE_STREAK))


def expect(row: Row, presented: int) -> type[Verdict]:
    """Return the kind of verdict that the words of the design ask for."""
    if row.state.ended_reason:
        return Refused
    if presented == row.state.generation:
        return Rotate
    if row.is_inside_grace(presented):
        return Reissue
    lost = row.answer_was_probably_lost(presented)
    return Reissue if lost and not row.is_the_sixth_late_one_running() else Reuse


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(WINDOWS, st.sampled_from([None, timedelta(minutes=5)]), STORIES)
def test_any_story_leaves_one_current_token(
    windows: RotationWindows, idle: timedelta | None, story: list[tuple[str, int]]
) -> None:
    row = Row(windows, idle)
    for act, amount in story:
        before = row.state.generation
        if act == "wait":
            row.now += timedelta(seconds=amount)
        elif act == "use":
            row.use(max(1, before - amount))
        else:
            presented = max(1, before - amount)
            expected = expect(row, presented)
            verdict = row.refresh(presented)
            event(type(verdict).__name__)
            assert type(verdict) is expected
            assert row.state.generation == before + isinstance(verdict, Rotate)
        assert_one_current_token(row)


def assert_one_current_token(row: Row) -> None:
    every = range(1, row.state.generation + 1)
    rotating = [number for number in every if isinstance(row.judge(number), Rotate)]
    assert rotating == ([] if row.state.ended_reason else [row.state.generation])


def test_six_late_rounds_running_end_the_session() -> None:
    row = Row(RotationWindows(timedelta(seconds=10), timedelta(minutes=15)), None)
    verdicts = []
    for _ in range(REUSE_STREAK):
        row.refresh(row.state.generation)
        row.now += timedelta(seconds=11)
        verdicts.append(row.refresh(row.state.generation - 1))
    assert verdicts == [*(Reissue(streak) for streak in range(1, REUSE_STREAK)), Reuse()]
    assert row.judge(row.state.generation) == Refused("reused")
