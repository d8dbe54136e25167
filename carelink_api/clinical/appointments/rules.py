"""What may become of an appointment: FHIR's statuses, and when. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    BOOKED = "booked"
    FULFILLED = "fulfilled"
    """It took place."""
    NOSHOW = "noshow"
    """The patient did not come."""
    CANCELLED = "cancelled"


class Mistake(StrEnum):
    """Why what was said to have become of it is not so: a code, since it goes into the trail."""

    CAME_LATE = "came_late"
    """The patient came after all."""
    DID_NOT_COME = "did_not_come"
    WRONG_APPOINTMENT = "wrong_appointment"
    """Another one was meant."""


class Refusal(StrEnum):
    NOT_BOOKED = "not_booked"
    """What has become something else stays that, unless it is undone."""
    NOT_BEGUN = "not_begun"
    NOT_CLOSED = "not_closed"
    """Neither held nor missed: there is nothing to undo."""
    TOO_LATE = "too_late"


KEEPS_ITS_TIME = frozenset({Status.BOOKED, Status.FULFILLED})
"""In these its doctor has no time for another one."""
UNDONE_WITHIN = timedelta(days=7)
"""How long after its end: as long as one that was missed ties its doctor to the record."""
_SEEN_ONLY_THEN = frozenset({Status.FULFILLED, Status.NOSHOW})


def refusal(status: str, wanted: Status, *, starts_at: datetime, now: datetime) -> Refusal | None:
    """Say why it cannot become, or stay, that at `now`; None: it can."""
    if status != Status.BOOKED:
        return Refusal.NOT_BOOKED
    if wanted in _SEEN_ONLY_THEN and now < starts_at:
        return Refusal.NOT_BEGUN
    return None


def refusal_to_undo(status: str, *, ends_at: datetime, now: datetime) -> Refusal | None:
    """Say why it cannot be booked again, as if nothing had been said of it; None: it can.

    What was cancelled stays so: the doctor's time has been given away.
    """
    if status not in _SEEN_ONLY_THEN:
        return Refusal.NOT_CLOSED
    return Refusal.TOO_LATE if now >= ends_at + UNDONE_WITHIN else None
