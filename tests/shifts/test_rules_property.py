"""What holds for every roster, in every time zone and over both changes of the clock."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carelink_api.shifts.rules import Margins, Span, duty_at, on_shift_at
from tests.fuzz.bounds import bounded

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
START = datetime(2026, 3, 28, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)

margins = st.builds(
    Margins,
    st.integers(0, 90).map(lambda minutes: minutes * MINUTE),
    st.integers(0, 90).map(lambda minutes: minutes * MINUTE),
)


@st.composite
def rosters(draw: st.DrawFn) -> list[Span]:
    """Return up to six shifts within two days, in any order."""
    count = draw(st.integers(0, 6))
    spans = []
    for number in range(1, count + 1):
        start = START + draw(st.integers(0, 2880)) * MINUTE
        end = start + draw(st.integers(1, 960)) * MINUTE
        spans.append(Span(number, draw(st.integers(1, 3)), start, end, draw(st.booleans())))
    return spans


moments = st.integers(-120, 4200).map(lambda minutes: START + minutes * MINUTE)


def lets_in(shifts: Sequence[Span], now: datetime, around: Margins) -> bool:
    """Say it the plain way: some shift's time, with its margins, holds this moment."""
    return any(
        each.starts_at - around.early <= now < each.ends_at + around.handoff for each in shifts
    )


@bounded(300)
@given(shifts=rosters(), now=moments, around=margins)
def test_who_may_be_in_is_the_union_of_all_shifts(
    shifts: list[Span], now: datetime, around: Margins
) -> None:
    assert (duty_at(shifts, now, around) is not None) == lets_in(shifts, now, around)


@bounded(300)
@given(shifts=rosters(), now=moments, around=margins, part=st.floats(0, 1))
def test_nobody_is_put_out_who_would_be_let_in_again(
    shifts: list[Span], now: datetime, around: Margins, part: float
) -> None:
    duty = duty_at(shifts, now, around)
    if duty is None:
        return
    assert duty.ends_at > now
    assert not lets_in(shifts, duty.ends_at, around), "she could come straight back"
    between = now + (duty.ends_at - TICK - now) * part
    assert duty_at(shifts, between, around) == duty, "one stretch has one end"


@bounded(200)
@given(shifts=rosters(), now=moments, around=margins, more=rosters())
def test_more_shifts_never_end_anything_sooner(
    shifts: list[Span], now: datetime, around: Margins, more: list[Span]
) -> None:
    duty = duty_at(shifts, now, around)
    added = [Span(each.id + 10, each.unit_id, each.starts_at, each.ends_at) for each in more]
    after = duty_at(shifts + added, now, around)
    if duty is not None:
        assert after is not None
        assert after.ends_at >= duty.ends_at


@bounded(200)
@given(shifts=rosters(), now=moments, around=margins)
def test_whoever_is_on_shift_or_in_handoff_time_may_be_in(
    shifts: list[Span], now: datetime, around: Margins
) -> None:
    found = on_shift_at(shifts, now, around.handoff)
    assert not found.units & found.handoff_units
    assert found.in_charge_of <= found.units
    if found.all_units:
        assert duty_at(shifts, now, around) is not None


@bounded(200)
@given(shifts=rosters(), now=moments, around=margins, zone=st.sampled_from(ZONES))
def test_a_time_zone_changes_nothing(
    shifts: list[Span], now: datetime, around: Margins, zone: str
) -> None:
    here = [
        Span(
            each.id,
            each.unit_id,
            each.starts_at.astimezone(ZoneInfo(zone)).astimezone(UTC),
            each.ends_at.astimezone(ZoneInfo(zone)).astimezone(UTC),
            each.in_charge,
        )
        for each in shifts
    ]
    assert duty_at(here, now.astimezone(ZoneInfo(zone)).astimezone(UTC), around) == duty_at(
        shifts, now, around
    )


@bounded(150)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    start=st.integers(18, 23),
    end=st.integers(4, 9),
    handoff=st.integers(0, 60),
)
@example(zone="Europe/Berlin", day=date(2026, 3, 28), start=19, end=7, handoff=30)
@example(zone="Europe/Berlin", day=date(2026, 10, 24), start=19, end=7, handoff=30)
@example(zone="America/New_York", day=date(2026, 11, 1), start=23, end=4, handoff=0)
def test_a_night_shift_by_the_clock_on_the_wall_ends_by_the_clock_on_the_wall(
    zone: str, day: date, start: int, end: int, handoff: int
) -> None:
    where = ZoneInfo(zone)
    span = Span(
        1,
        1,
        datetime.combine(day, time(start), where).astimezone(UTC),
        datetime.combine(day + timedelta(days=1), time(end), where).astimezone(UTC),
    )
    duty = duty_at([span], span.starts_at, Margins(timedelta(), handoff * MINUTE))
    assert duty is not None
    assert duty.ends_at - handoff * MINUTE == span.ends_at
    assert span.ends_at.astimezone(where).time() == time(end)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 28), 11), (date(2026, 10, 24), 13), (date(2026, 6, 6), 12)]
)
def test_the_nights_of_the_clock_changes_last_eleven_and_thirteen_hours(
    day: date, hours: int
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime.combine(day, time(19), berlin).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(7), berlin).astimezone(UTC)
    half = Margins(30 * MINUTE, 30 * MINUTE)
    duty = duty_at([Span(1, 1, start, end)], start - 30 * MINUTE, half)
    assert duty is not None
    assert duty.ends_at - start == timedelta(hours=hours, minutes=30)
