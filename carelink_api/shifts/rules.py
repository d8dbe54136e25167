"""The arithmetic of shifts: pure rules on moments of UTC (`docs/design.md`, section 3).

A shift is counted from its start to the moment before its end. No rule knows a time zone: where
clocks change, a shift between two moments is an hour longer or shorter on the wall, and nowhere
else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = timedelta(hours=24)
"""No shift is longer; what is rather has a wrong date."""
LONGEST_ON_DUTY = timedelta(hours=16)
"""In one stretch, from the first shift's start to the last one's end: no charge nurse asks more."""
LONGEST_EXTENSION = timedelta(minutes=60)
"""By which she lets a shift that has begun end later, each time with a reason."""


@dataclass(frozen=True, slots=True)
class Span:
    """What the rules need to know of one shift that stands."""

    id: int
    unit_id: int
    starts_at: datetime
    ends_at: datetime
    in_charge: bool = False


@dataclass(frozen=True, slots=True)
class Margins:
    """How long before its start a shift lets in, and how long after its end it lets finish."""

    early: timedelta
    handoff: timedelta


@dataclass(frozen=True, slots=True)
class Duty:
    """An unbroken stretch of shifts: while it lasts, its user may be logged in."""

    shift_id: int
    """The shift that ends last."""
    ends_at: datetime
    """When that one's handoff time is over."""
    unit_ids: frozenset[int] = frozenset()
    """Of all of its shifts."""


@dataclass(frozen=True, slots=True)
class OnShift:
    """Where somebody is on shift at a moment."""

    units: frozenset[int]
    """In shift time."""
    handoff_units: frozenset[int]
    """In handoff time only: finish and sign, nothing new."""
    in_charge_of: frozenset[int]
    """In shift time, as charge nurse."""

    @property
    def all_units(self) -> frozenset[int]:
        return self.units | self.handoff_units


@dataclass(frozen=True, slots=True)
class Editor:
    """Whose roster somebody may see and change."""

    user_id: int
    everywhere: bool
    """An administrator."""
    in_charge_of: frozenset[int] = frozenset()
    """The units whose charge nurse she is now."""

    def may_see(self, user_id: int, unit_id: int) -> bool:
        return self.everywhere or unit_id in self.in_charge_of or user_id == self.user_id

    def may_change(self, user_id: int, unit_id: int) -> bool:
        """Say whether she may: nobody gives herself a shift, or more of it."""
        return self.everywhere or (unit_id in self.in_charge_of and user_id != self.user_id)


def shift_faults(starts_at: datetime, ends_at: datetime) -> dict[str, list[str]]:
    """Return what is wrong with a shift of these times, by field."""
    if ends_at <= starts_at:
        return {"ends_at": ["Must be after starts_at."]}
    if ends_at - starts_at > LONGEST:
        return {"ends_at": ["A shift lasts 24 hours at most."]}
    return {}


def extension_faults(
    starts_at: datetime, ends_at: datetime, new_ends_at: datetime, now: datetime
) -> dict[str, list[str]]:
    """Return what is wrong with a charge nurse's letting a shift end later, by field."""
    if starts_at <= now and new_ends_at - ends_at > LONGEST_EXTENSION:
        return {"ends_at": ["A shift that has begun is extended by an hour at a time."]}
    return {}


def duty_faults(
    before: Iterable[Span], after: Iterable[Span], margins: Margins
) -> dict[str, list[str]]:
    """Return what is wrong with a person's shifts after a change, by field."""
    longest = longest_new_duty(before, after, margins)
    if longest <= LONGEST_ON_DUTY:
        return {}
    hours = f"{longest / timedelta(hours=1):.1f}"
    return {"ends_at": [f"They would be on duty for {hours} hours in one stretch; 16 at most."]}


def longest_new_duty(before: Iterable[Span], after: Iterable[Span], margins: Margins) -> timedelta:
    """Return how long the longest stretch lasts that is no part of one from before the change;
    margins left out.
    """
    former = [_times(each) for each in _stretches(before, margins)]
    now = [_times(each) for each in _stretches(after, margins)]
    lengths = (
        end - start
        for start, end in now
        if not any(began <= start and end <= ended for began, ended in former)
    )
    return max(lengths, default=timedelta())


def duty_at(shifts: Iterable[Span], now: datetime, margins: Margins) -> Duty | None:
    """Return the stretch in which somebody with these shifts may be logged in at `now`, or None.

    Shifts of which one's handoff time reaches the other's early time are one stretch, whether they
    overlap, follow each other or leave a gap that short: who is in would at every moment of it be
    let in again, so putting her out would protect nothing and cost her work.
    """
    for stretch in _stretches(shifts, margins):
        if stretch[0].starts_at - margins.early <= now < _last(stretch).ends_at + margins.handoff:
            last = _last(stretch)
            units = frozenset(shift.unit_id for shift in stretch)
            return Duty(last.id, last.ends_at + margins.handoff, units)
    return None


def on_shift_at(shifts: Iterable[Span], now: datetime, handoff: timedelta) -> OnShift:
    """Return in which units somebody with these shifts is on shift at `now`.

    Early time is none: it lets in and shows no patient.
    """
    begun = [shift for shift in shifts if shift.starts_at <= now < shift.ends_at + handoff]
    present = [shift for shift in begun if now < shift.ends_at]
    units = frozenset(shift.unit_id for shift in present)
    return OnShift(
        units,
        frozenset(shift.unit_id for shift in begun) - units,
        frozenset(shift.unit_id for shift in present if shift.in_charge),
    )


def _stretches(shifts: Iterable[Span], margins: Margins) -> list[list[Span]]:
    stretches: list[list[Span]] = []
    for shift in sorted(shifts, key=lambda each: (each.starts_at, each.id)):
        follows_on = bool(stretches) and (
            shift.starts_at - margins.early <= _last(stretches[-1]).ends_at + margins.handoff
        )
        if follows_on:
            stretches[-1].append(shift)
        else:
            stretches.append([shift])
    return stretches


def _times(stretch: Sequence[Span]) -> tuple[datetime, datetime]:
    return stretch[0].starts_at, _last(stretch).ends_at


def _last(stretch: Sequence[Span]) -> Span:
    return max(stretch, key=lambda each: (each.ends_at, each.id))
