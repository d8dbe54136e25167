"""The arithmetic of shifts, case by case."""

from datetime import UTC, datetime, timedelta

import pytest

from carelink_api.shifts.rules import (
    Duty,
    Editor,
    Margins,
    Span,
    duty_at,
    duty_faults,
    extension_faults,
    longest_new_duty,
    on_shift_at,
    shift_faults,
)

SEVEN = datetime(2026, 3, 2, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
HALF = Margins(30 * MINUTE, 30 * MINUTE)


def shift(id: int, start: float, end: float, unit: int = 1, *, in_charge: bool = False) -> Span:
    """Return a shift from and to so many hours after seven."""
    return Span(id, unit, SEVEN + start * HOUR, SEVEN + end * HOUR, in_charge)


def ends(shifts: list[Span], at_hours: float, margins: Margins = HALF) -> float | None:
    """Return when whoever logs in then is out, in hours after seven."""
    duty = duty_at(shifts, SEVEN + at_hours * HOUR, margins)
    return None if duty is None else (duty.ends_at - SEVEN) / HOUR


@pytest.mark.parametrize(
    ("minutes_before", "let_in"), [(31, False), (30, True), (29, True), (0, True), (-8 * 60, True)]
)
def test_a_shift_lets_in_from_half_an_hour_before(minutes_before: int, let_in: bool) -> None:
    assert (ends([shift(1, 0, 8)], -minutes_before / 60) is not None) is let_in


def test_a_shift_lets_in_until_its_handoff_time_is_over() -> None:
    now = SEVEN + 8.5 * HOUR
    duty = duty_at([shift(1, 0, 8)], now - timedelta(microseconds=1), HALF)
    assert duty == Duty(1, now, frozenset({1}))
    assert duty_at([shift(1, 0, 8)], now, HALF) is None


def test_margins_of_nothing_let_in_for_the_shift_alone() -> None:
    none = Margins(timedelta(), timedelta())
    assert ends([shift(1, 0, 8)], 0, none) == 8
    assert ends([shift(1, 0, 8)], 8, none) is None
    assert duty_at([shift(1, 0, 8)], SEVEN - timedelta(microseconds=1), none) is None


def test_without_a_shift_nobody_is_let_in() -> None:
    assert duty_at([], SEVEN, HALF) is None


@pytest.mark.parametrize(
    ("second", "end"),
    [
        ((6, 12), 12.5),  # overlapping
        ((8, 12), 12.5),  # back to back
        ((8.75, 12), 12.5),  # a gap that handoff and early time fill
        ((9, 12), 12.5),  # just filled
        ((9.1, 12), 8.5),  # not filled
        ((2, 4), 8.5),  # inside
    ],
)
def test_shifts_that_reach_each_other_are_one_stretch(
    second: tuple[float, float], end: float
) -> None:
    for shifts in ([shift(1, 0, 8), shift(2, *second)], [shift(2, *second), shift(1, 0, 8)]):
        assert ends(shifts, 1) == end


def test_the_stretch_is_named_after_the_shift_that_ends_last() -> None:
    duty = duty_at([shift(5, 0, 8), shift(3, 8, 16, 2), shift(4, 9, 10)], SEVEN, HALF)
    assert duty == Duty(3, SEVEN + 16.5 * HOUR, frozenset({1, 2}))


def test_early_time_shows_no_patient() -> None:
    found = on_shift_at([shift(1, 0, 8)], SEVEN - MINUTE, HALF.handoff)
    assert found.all_units == frozenset()


def test_handoff_time_is_told_from_shift_time() -> None:
    shifts = [shift(1, 0, 8, unit=1, in_charge=True), shift(2, 8, 16, unit=2)]
    before = on_shift_at(shifts, SEVEN + 8 * HOUR - MINUTE, HALF.handoff)
    assert (before.units, before.handoff_units, before.in_charge_of) == ({1}, set(), {1})
    after = on_shift_at(shifts, SEVEN + 8 * HOUR, HALF.handoff)
    assert (after.units, after.handoff_units, after.in_charge_of) == ({2}, {1}, set())
    assert after.all_units == {1, 2}
    late = on_shift_at(shifts, SEVEN + 8.5 * HOUR, HALF.handoff)
    assert (late.units, late.handoff_units) == ({2}, set())


def test_a_second_shift_in_the_same_unit_is_no_handoff_time() -> None:
    shifts = [shift(1, 0, 8), shift(2, 8, 16)]
    found = on_shift_at(shifts, SEVEN + 8.25 * HOUR, HALF.handoff)
    assert (found.units, found.handoff_units) == ({1}, set())


def test_a_charge_nurse_sees_her_units_roster_and_her_own_and_changes_not_her_own() -> None:
    editor = Editor(7, everywhere=False, in_charge_of=frozenset({1}))
    assert editor.may_see(8, 1)
    assert editor.may_see(7, 2)
    assert not editor.may_see(8, 2)
    assert editor.may_change(8, 1)
    assert not editor.may_change(7, 1)
    assert not editor.may_change(8, 2)
    assert Editor(7, everywhere=True).may_change(7, 2)


@pytest.mark.parametrize(("hours", "fine"), [(0, False), (-1, False), (24, True), (24.01, False)])
def test_a_shift_ends_after_it_starts_and_within_a_day(hours: float, fine: bool) -> None:
    assert (shift_faults(SEVEN, SEVEN + hours * HOUR) == {}) is fine


@pytest.mark.parametrize(
    ("spans", "hours"),
    [
        ([], 0),
        ([(0, 8)], 8),
        ([(0, 8), (8, 16)], 16),
        ([(8, 16), (0, 8), (2, 3)], 16),
        ([(0, 8), (9, 16)], 16),  # an hour's gap is bridged by the margins
        ([(0, 8), (9.1, 16)], 8),
        ([(0, 8), (7, 24)], 24),
    ],
)
def test_a_duty_lasts_from_the_first_start_to_the_last_end(
    spans: list[tuple[float, float]], hours: float
) -> None:
    shifts = [shift(number, *span) for number, span in enumerate(spans)]
    assert longest_new_duty([], shifts, HALF) == hours * HOUR


def test_only_what_makes_a_duty_longer_than_it_may_be_and_was_is_at_fault() -> None:
    allowed, long, longer = [[shift(1, 0, hours)] for hours in (16, 17, 18)]
    assert duty_faults([], allowed, HALF) == {}
    assert list(duty_faults([], long, HALF)) == ["ends_at"]
    assert list(duty_faults(long, longer, HALF)) == ["ends_at"]
    assert duty_faults(longer, long, HALF) == {}
    assert duty_faults(long, long, Margins(timedelta(), timedelta())) == {}


@pytest.mark.parametrize(
    ("begins", "more", "faulty"), [(-1, 60, False), (-1, 61, True), (1, 600, False), (0, 61, True)]
)
def test_a_shift_that_has_begun_is_extended_by_an_hour(
    begins: int, more: int, faulty: bool
) -> None:
    end = SEVEN + 4 * HOUR
    found = extension_faults(SEVEN + begins * HOUR, end, end + more * MINUTE, SEVEN)
    assert bool(found) is faulty
