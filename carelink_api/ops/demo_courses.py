"""How the demo patients are, and what is measured of it. Pure, and the same each time.

A course begins some hours before the hospital is loaded and has come to its end then; what is
measured later stays there. The values are made up and teach nobody medicine.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from ..clinical.observations.codes import VITAL_SIGNS

PULSE, BREATHS, WARMTH = "8867-4", "9279-1", "8310-5"
SYSTOLIC, DIASTOLIC, OXYGEN = "8480-6", "8462-4", "59408-5"
HISTORY = timedelta(hours=48)
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)


class Usual(NamedTuple):
    mean: float
    between_people: float
    between_rounds: float


USUAL = {
    PULSE: Usual(76, 8, 2.5),
    BREATHS: Usual(15.5, 1.3, 0.8),
    WARMTH: Usual(36.8, 0.2, 0.1),
    SYSTOLIC: Usual(124, 10, 4),
    DIASTOLIC: Usual(75, 5, 2.5),
    OXYGEN: Usual(97.2, 0.8, 0.5),
}


class Course(NamedTuple):
    """What becomes of a patient, and the words for it."""

    situation: str
    assessment: str
    recommendation: str
    change: Mapping[str, float] = {}
    """By how much each sign differs at the end."""
    hours: float = 0.01
    passes: bool = False
    """It gets better: the difference is there at first and goes away."""

    def progress(self, hours_before_the_end: float) -> float:
        """Return how much of the change is there, from 0 to 1."""
        along = min(1.0, max(0.0, 1 - hours_before_the_end / self.hours))
        eased = along * along * (3 - 2 * along)
        return 1 - eased if self.passes else eased


STEADY = Course(
    "Stable, no new complaints.",
    "Vital signs within the usual range, pain 2 of 10.",
    "Go on with the rounds; mobilise twice a day.",
)
PRESSURE = Course(
    "Blood pressure high in every round, otherwise well.",
    "No headache, no chest pain; the evening dose came late twice.",
    "Measure after the dose; tell the doctor above 180.",
    {SYSTOLIC: 38, DIASTOLIC: 19},
)
RECOVERING = Course(
    "Recovering: no fever since yesterday.",
    "Breathes easily, drinks well, walks to the door.",
    "Oxygen off if above 94; ask about going home.",
    {PULSE: 24, BREATHS: 7, WARMTH: 1.7, OXYGEN: -4},
    hours=40,
    passes=True,
)
SEPSIS = Course(
    "Getting worse since last night: fever, fast pulse, falling blood pressure.",
    "Warm and flushed, answers slowly, little urine. Possible sepsis.",
    "Doctor is called; cultures and lactate now, antibiotics within the hour, rounds every 15 min.",
    {PULSE: 46, BREATHS: 13, WARMTH: 2.2, SYSTOLIC: -36, DIASTOLIC: -21, OXYGEN: -6},
    hours=14,
)
BREATHLESS = Course(
    "Short of breath since this morning, needs more oxygen.",
    "Speaks in short sentences, crackles on both sides.",
    "Sit upright, oxygen to 92 or more; doctor to see before the next round.",
    {PULSE: 18, BREATHS: 11, WARMTH: 0.4, OXYGEN: -8},
    hours=10,
)
BLEEDING = Course(
    "Pale and dizzy, the dressing was changed twice.",
    "Pulse rising and pressure falling over the last rounds.",
    "Two units are cross-matched; surgeon is told.",
    {PULSE: 38, BREATHS: 5, WARMTH: -0.4, SYSTOLIC: -30, DIASTOLIC: -16},
    hours=8,
)
_NAMED = {
    ("ICU", 0): SEPSIS,
    ("ICU", 7): BREATHLESS,
    ("Emergency", 3): BLEEDING,
    ("Emergency", 9): BREATHLESS,
    ("Ward 7", 6): BREATHLESS,
    ("Ward 7", 19): BLEEDING,
}


def course_of(unit: str, index: int) -> Course:
    """Return the course of a unit's patient: most are steady, a few get worse."""
    if (unit, index) in _NAMED:
        return _NAMED[unit, index]
    return {2: RECOVERING, 5: PRESSURE}.get(index % 7, STEADY)


class Reading(NamedTuple):
    code: str
    value: float
    measured_at: datetime


def readings(
    mrn: str, course: Course, every: timedelta, *, since: datetime, until: datetime, end: datetime
) -> Iterator[Reading]:
    """Yield what was measured of a patient after `since` and before `until`.

    `end` is when the course has come to its end.
    """
    person = Random(mrn)  # noqa: S311  # made up, no secret
    own = {code: person.gauss(usual.mean, usual.between_people) for code, usual in USUAL.items()}
    for number in range((since - _EPOCH) // every, (until - _EPOCH) // every + 1):
        chance = Random(f"{mrn} {number}")  # noqa: S311
        measured_at = _EPOCH + number * every + timedelta(minutes=chance.randrange(20))
        progress = course.progress((end - measured_at) / timedelta(hours=1))
        values = {code: _value(code, own[code], progress, course, chance) for code in USUAL}
        if since < measured_at < until:
            yield from (Reading(code, value, measured_at) for code, value in values.items())


def _value(code: str, own: float, progress: float, course: Course, chance: Random) -> float:
    changed = own + course.change.get(code, 0) * progress
    value = chance.gauss(changed, USUAL[code].between_rounds)
    sign = VITAL_SIGNS[code]
    return round(min(max(value, sign.minimum), sign.maximum), 1 if code == WARMTH else 0)
