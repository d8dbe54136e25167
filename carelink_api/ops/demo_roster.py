"""When the demo hospital's nurses work: three shifts a day, and two days in seven off. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from .demo_people import TEAMS

T = TypeVar("T")
HOURS = timedelta(hours=24 // TEAMS)
_FIRST = datetime(2001, 1, 1, 6, tzinfo=UTC)
"""Day shifts start at six."""


class Slot(NamedTuple):
    """One of a day's shifts: day, evening, night."""

    number: int

    @property
    def starts_at(self) -> datetime:
        return _FIRST + self.number * HOURS

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + HOURS


def slot_at(moment: datetime) -> Slot:
    """Return the shift in which the moment lies."""
    return Slot((moment - _FIRST) // HOURS)


def slots(since: datetime, until: datetime) -> Iterator[Slot]:
    """Yield the shifts that start in this time, the first one first."""
    number = -((_FIRST - since) // HOURS)
    while (slot := Slot(number)).starts_at < until:
        yield slot
        number += 1


def on_duty(teams: Sequence[Sequence[T]], slot: Slot) -> list[T]:
    """Return who of a unit's teams works in this shift; the first one is in charge."""
    day, which = divmod(slot.number, TEAMS)
    return [nurse for index, nurse in enumerate(teams[which]) if (day + 3 * index) % 7 >= 2]
