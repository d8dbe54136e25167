"""What a presented refresh token is worth: every verdict and its edges."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carelink_api.sessions.rotation import (
    ALERT_STREAK,
    MAX_RETIREMENTS,
    REUSE_STREAK,
    Keep,
    Lineage,
    Refused,
    Reissue,
    Reuse,
    Rotate,
    RotationWindows,
    decide_rotation,
    late_streak,
    retirements_after,
    streak_after_rotation,
    why_over,
)

NOW = datetime(2030, 5, 1, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
GRACE = 10 * SECOND
WINDOW = 15 * MINUTE
WINDOWS = RotationWindows(GRACE, WINDOW)
STRICT = RotationWindows(timedelta(0), timedelta(0))


def lineage(**changes: Any) -> Lineage:
    """Return generation 5, rotated an hour ago, used since, with hours to go."""
    usual = Lineage(
        generation=5,
        predecessor_retired_at=NOW - 60 * MINUTE,
        retired=[],
        used_generation=5,
        late_reissues=0,
        late_generation=0,
        expires_at=NOW + 600 * MINUTE,
        shift_ends_at=None,
        idle=None,
        idle_at=None,
        ended_reason=None,
        refuse_from=None,
        user_disabled=False,
        by_cookie=False,
    )
    return replace(usual, **changes)


def rotated(ago: timedelta, **changes: Any) -> Lineage:
    """Return a session whose generation 4 was retired that long ago; its child is unused."""
    at = NOW - ago
    usual = {"predecessor_retired_at": at, "retired": [(4, at)], "used_generation": 4}
    return lineage(**usual | changes)


def test_the_current_token_rotates() -> None:
    assert decide_rotation(lineage(), 5, NOW, WINDOWS) == Rotate()


def test_the_current_token_rotates_under_strict_single_use() -> None:
    assert decide_rotation(lineage(), 5, NOW, STRICT) == Rotate()


def test_a_token_ahead_of_the_row_rotates_and_tells_of_lost_writes() -> None:
    assert decide_rotation(lineage(), 6, NOW, WINDOWS) == Rotate(row_behind=True)
    assert decide_rotation(lineage(), 60, NOW, WINDOWS) == Rotate(row_behind=True)


@pytest.mark.parametrize("used", [4, 5])
def test_a_cookies_token_is_given_again_while_the_answers_that_brought_it_may_be_on_their_way(
    used: int,
) -> None:
    session = rotated(GRACE, used_generation=used, by_cookie=True)
    assert decide_rotation(session, 5, NOW, WINDOWS) == Reissue()


def test_a_cookies_token_rotates_a_microsecond_after_the_grace_period() -> None:
    session = rotated(GRACE + TICK, by_cookie=True)
    assert decide_rotation(session, 5, NOW, WINDOWS) == Rotate()


def test_a_cookies_token_rotates_at_once_under_strict_single_use() -> None:
    assert decide_rotation(rotated(timedelta(0), by_cookie=True), 5, NOW, STRICT) == Rotate()


def test_a_cookies_first_token_rotates_at_once() -> None:
    first = lineage(generation=1, predecessor_retired_at=None, by_cookie=True)
    assert decide_rotation(first, 1, NOW, WINDOWS) == Rotate()


def test_a_token_that_no_jar_holds_rotates_however_young_it_is() -> None:
    assert decide_rotation(rotated(timedelta(0)), 5, NOW, WINDOWS) == Rotate()


@pytest.mark.parametrize("used", [4, 5])
def test_a_token_retired_exactly_the_grace_period_ago_is_reissued(used: int) -> None:
    session = rotated(GRACE, used_generation=used)
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reissue()


def test_a_token_is_reuse_a_microsecond_after_the_grace_period_once_its_child_was_used() -> None:
    session = rotated(GRACE + TICK, used_generation=5)
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reuse()


def test_a_token_is_late_a_microsecond_after_the_grace_period_while_its_child_is_unused() -> None:
    assert decide_rotation(rotated(GRACE + TICK), 4, NOW, WINDOWS) == Reissue(late_streak=1)


def test_a_retirement_by_a_clock_ahead_of_ours_is_inside_the_grace_period() -> None:
    session = rotated(-2 * SECOND, used_generation=5)
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reissue()


def test_without_grace_a_token_retired_this_instant_is_reuse_once_its_child_was_used() -> None:
    windows = RotationWindows(timedelta(0), WINDOW)
    assert decide_rotation(rotated(timedelta(0), used_generation=5), 4, NOW, windows) == Reuse()


def test_without_grace_an_unused_child_is_still_reissued_late() -> None:
    windows = RotationWindows(timedelta(0), WINDOW)
    assert decide_rotation(rotated(SECOND), 4, NOW, windows) == Reissue(late_streak=1)


def test_without_window_only_the_grace_period_forgives() -> None:
    windows = RotationWindows(GRACE, timedelta(0))
    assert decide_rotation(rotated(GRACE), 4, NOW, windows) == Reissue()
    assert decide_rotation(rotated(GRACE + TICK), 4, NOW, windows) == Reuse()


def test_strict_single_use_forgives_nothing() -> None:
    assert decide_rotation(rotated(timedelta(0)), 4, NOW, STRICT) == Reuse()


def test_a_grandparent_inside_the_grace_period_is_reissued() -> None:
    session = rotated(SECOND, retired=[(3, NOW - GRACE), (4, NOW - SECOND)])
    assert decide_rotation(session, 3, NOW, WINDOWS) == Reissue()


def test_a_grandparent_outside_the_grace_period_is_reuse_even_if_nobody_used_its_children() -> None:
    session = rotated(SECOND, retired=[(3, NOW - GRACE - TICK), (4, NOW - SECOND)])
    assert decide_rotation(replace(session, used_generation=0), 3, NOW, WINDOWS) == Reuse()


def test_a_predecessor_is_reissued_until_the_window_closes() -> None:
    assert decide_rotation(rotated(WINDOW), 4, NOW, WINDOWS) == Reissue(late_streak=1)
    assert decide_rotation(rotated(WINDOW + TICK), 4, NOW, WINDOWS) == Reuse()


def test_the_window_is_no_longer_than_the_idle_timeout() -> None:
    idle = {"idle": 5 * MINUTE, "idle_at": NOW + MINUTE}
    assert decide_rotation(rotated(5 * MINUTE, **idle), 4, NOW, WINDOWS) == Reissue(late_streak=1)
    assert decide_rotation(rotated(5 * MINUTE + TICK, **idle), 4, NOW, WINDOWS) == Reuse()


def test_a_long_idle_timeout_does_not_stretch_the_window() -> None:
    idle = {"idle": 60 * MINUTE, "idle_at": NOW + MINUTE}
    assert decide_rotation(rotated(WINDOW + TICK, **idle), 4, NOW, WINDOWS) == Reuse()


def test_a_predecessor_that_must_not_be_forgiven_is_reuse() -> None:
    session = rotated(SECOND, predecessor_retired_at=None, retired=[])
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reuse()


def test_every_older_generation_is_reuse() -> None:
    session = rotated(GRACE + TICK)
    assert {repr(decide_rotation(session, old, NOW, WINDOWS)) for old in (1, 2, 3)} == {"Reuse()"}


@pytest.mark.parametrize("before", range(REUSE_STREAK - 1))
def test_late_reissues_running_are_counted(before: int) -> None:
    session = rotated(MINUTE, late_reissues=before, late_generation=4)
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reissue(late_streak=before + 1)


def test_the_third_late_reissue_running_is_still_answered_and_the_sixth_is_reuse() -> None:
    assert (ALERT_STREAK, REUSE_STREAK) == (3, 6)
    session = rotated(MINUTE, late_reissues=5, late_generation=4)
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reuse()


def test_a_generation_counts_once_however_often_it_is_reissued() -> None:
    session = rotated(MINUTE, late_reissues=5, late_generation=5)
    assert late_streak(session) == 5
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reissue(late_streak=5)


def test_reissues_inside_the_grace_period_are_never_counted() -> None:
    session = rotated(SECOND, late_reissues=5, late_generation=4)
    assert decide_rotation(session, 4, NOW, WINDOWS) == Reissue(late_streak=None)


def test_a_rotation_that_followed_a_late_reissue_keeps_the_streak() -> None:
    assert streak_after_rotation(lineage(late_reissues=2, late_generation=5)) == 2


def test_a_rotation_that_followed_none_ends_the_streak() -> None:
    assert streak_after_rotation(lineage(late_reissues=2, late_generation=4)) == 0


def test_a_retirement_is_added_to_the_young_ones() -> None:
    session = lineage(retired=[(3, NOW - GRACE), (4, NOW - SECOND)])
    kept = [*session.retired, (5, NOW)]
    assert retirements_after(session, 5, NOW, GRACE) == kept


def test_retirements_older_than_the_grace_period_are_dropped() -> None:
    session = lineage(retired=[(3, NOW - GRACE - TICK), (4, NOW - SECOND)])
    assert retirements_after(session, 5, NOW, GRACE) == [(4, NOW - SECOND), (5, NOW)]


def test_no_more_than_sixteen_retirements_are_kept_and_the_youngest_stay() -> None:
    session = lineage(generation=40, retired=[(number, NOW) for number in range(20, 40)])
    kept = retirements_after(session, 40, NOW, GRACE)
    assert [number for number, _ in kept] == list(range(25, 41))
    assert len(kept) == MAX_RETIREMENTS == 16


def test_with_rotation_off_the_current_token_is_kept() -> None:
    windows = replace(WINDOWS, rotate=False)
    assert decide_rotation(lineage(), 5, NOW, windows) == Keep()


def test_with_rotation_off_retired_tokens_are_judged_as_ever() -> None:
    windows = replace(WINDOWS, rotate=False)
    assert decide_rotation(rotated(GRACE), 4, NOW, windows) == Reissue()
    assert decide_rotation(rotated(MINUTE), 4, NOW, windows) == Reissue(late_streak=1)
    assert decide_rotation(rotated(MINUTE, used_generation=5), 4, NOW, windows) == Reuse()


REASONS: list[tuple[str, dict[str, Any]]] = [
    ("logged_out", {"ended_reason": "logged_out"}),
    ("user_disabled", {"user_disabled": True}),
    ("shift_ended", {"shift_ends_at": NOW}),
    ("revoked", {"refuse_from": NOW}),
    ("session_expired", {"expires_at": NOW}),
    ("idle", {"idle": MINUTE, "idle_at": NOW - TICK}),
]


@pytest.mark.parametrize(("reason", "state"), REASONS)
@pytest.mark.parametrize("presented", [3, 4, 5, 6])
def test_a_session_that_is_over_refuses_every_token_with_its_reason(
    presented: int, reason: str, state: dict[str, Any]
) -> None:
    session = rotated(SECOND, **state)
    assert decide_rotation(session, presented, NOW, WINDOWS) == Refused(reason)


@pytest.mark.parametrize("first", range(len(REASONS)))
def test_of_several_reasons_the_weightiest_is_given(first: int) -> None:
    state: dict[str, Any] = {}
    for _, cause in REASONS[first:]:
        state |= cause
    assert why_over(lineage(**state), NOW) == REASONS[first][0]


@pytest.mark.parametrize(
    "state",
    [
        {"shift_ends_at": NOW + TICK},
        {"refuse_from": NOW + TICK},
        {"expires_at": NOW + TICK},
        {"idle": MINUTE, "idle_at": NOW},
    ],
)
def test_a_session_goes_on_until_the_very_moment(state: dict[str, Any]) -> None:
    assert decide_rotation(lineage(**state), 5, NOW, WINDOWS) == Rotate()
