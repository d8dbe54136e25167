"""Who may do what with whose record: a pure rule, and the only one.

What it does not grant is refused (ASVS 8.1.1, 8.2.2). `RIGHTS` is all of it: `decide` reads it for
one record, `access_sql` for lists and counts. Researchers, administrators and operations staff
stand in no line of it: they see no patient (STANDARDS: 164.312(a)(1), minimum necessary).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

APPOINTMENT_TIES_BEFORE = timedelta(days=7)
"""How long before it begins an appointment opens the record to its doctor, to prepare for it."""
APPOINTMENT_TIES_AFTER = timedelta(days=30)
"""How long after its end, for results and letters."""
MISSED_TIES_AFTER = timedelta(days=7)
"""How long after the end of one to which the patient did not come: to ask why, and to write."""
DISCHARGE_TIES_AFTER = timedelta(hours=24)
"""How long after the discharge the unit still completes the record."""

CARE_TEAM_TIES_AFTER = timedelta(days=30)
"""How long after the discharge its doctors remain, for results and letters."""


class Action(StrEnum):
    READ = "read"
    WRITE = "write"
    """Record, change, finish and sign in a record that stands."""
    OPEN = "open"
    """Begin with somebody: admit, discharge, take into the care team."""
    BOOK = "book"
    """Book, move and cancel appointments."""
    HAND_OVER = "hand_over"
    """Give a patient to whoever follows."""
    TAKE_OVER = "take_over"
    """Accept a patient, and answer for them."""
    READ_LOG = "read_log"
    """See who has opened the record."""


class Tie(StrEnum):
    """What binds a viewer to a patient at this moment; the strongest first."""

    SELF = "self"
    UNIT = "unit"
    """On shift in the patient's unit."""
    HANDOFF = "handoff"
    """In the handoff time after a shift there."""
    CARE_TEAM = "care_team"
    APPOINTMENT = "appointment"
    BREAK_GLASS = "break_glass"


ONE_RECORD = frozenset({Tie.BREAK_GLASS})
"""Ties that open one record and list none, so that every access by them names its cause."""


class Refusal(StrEnum):
    HIDDEN = "hidden"
    """As if there were no such patient."""
    FORBIDDEN = "forbidden"
    """May see the patient, but not do that."""
    IN_HANDOFF = "in_handoff"
    """The shift has ended: finish and sign, begin nothing."""
    BREAK_GLASS_AVAILABLE = "break_glass_available"


@dataclass(frozen=True, slots=True)
class Granted:
    """Allowed, and on what basis: every access is audited with it."""

    basis: Tie


_EVERYTHING = frozenset({Action.READ, Action.WRITE, Action.OPEN, Action.BOOK})
_THE_CHART = frozenset({Action.READ, Action.WRITE})
RIGHTS: dict[tuple[str, Tie], frozenset[Action]] = {
    ("patient", Tie.SELF): frozenset({Action.READ, Action.BOOK, Action.READ_LOG}),
    ("nurse", Tie.UNIT): _EVERYTHING | {Action.HAND_OVER, Action.TAKE_OVER},
    ("nurse", Tie.HANDOFF): _THE_CHART | {Action.HAND_OVER},
    ("nurse", Tie.BREAK_GLASS): _THE_CHART,
    ("doctor", Tie.CARE_TEAM): _EVERYTHING,
    ("doctor", Tie.APPOINTMENT): _EVERYTHING,
    # An emergency lends a look and a note, never a tie that outlasts it.
    ("doctor", Tie.BREAK_GLASS): _THE_CHART,
}

_ON_DUTY_ONLY = frozenset({"nurse"})


def granting(user_type: str, action: Action) -> tuple[Tie, ...]:
    """Return the ties by which such a user may do that, the strongest first; () for never."""
    return tuple(tie for tie in Tie if action in RIGHTS.get((user_type, tie), ()))


def ties_of(user_type: str) -> tuple[Tie, ...]:
    """Return the ties that mean anything for such a user."""
    return tuple(tie for tie in Tie if (user_type, tie) in RIGHTS)


def listing(user_type: str, action: Action) -> tuple[Tie, ...]:
    """Return the ties by which such a user finds patients in a list."""
    return tuple(tie for tie in granting(user_type, action) if tie not in ONE_RECORD)


def may_break_glass(user_type: str, *, on_duty: bool) -> bool:
    """Say whether an emergency opens a record to such a user; to a nurse on duty only.

    In handoff time she is on duty: an emergency does not ask when the shift has ended.
    """
    return Tie.BREAK_GLASS in ties_of(user_type) and (on_duty or user_type not in _ON_DUTY_ONLY)


def decide(
    user_type: str, ties: Collection[Tie], action: Action, *, on_duty: bool = True
) -> Granted | Refusal:
    """Say whether a user with these ties to a patient may do that.

    Without a tie a patient who exists looks like one who does not: to doctors and nurses, who could
    break the glass for this action, like a record that only an emergency opens; to all others like
    none.
    """
    grounds = granting(user_type, action)
    for tie in grounds:
        if tie in ties:
            return Granted(tie)
    if any(tie in ties for tie in granting(user_type, Action.READ)):
        begun_too_late = Tie.UNIT in grounds and Tie.HANDOFF in ties
        return Refusal.IN_HANDOFF if begun_too_late else Refusal.FORBIDDEN
    if Tie.BREAK_GLASS in grounds and may_break_glass(user_type, on_duty=on_duty):
        return Refusal.BREAK_GLASS_AVAILABLE
    return Refusal.HIDDEN


def may_admit_to(user_type: str, *, on_shift_there: bool) -> bool:
    """Say whether such a user may open the record of somebody new, in a unit."""
    return user_type == "doctor" or (user_type == "nurse" and on_shift_there)
