"""What may become of an appointment: FHIR's statuses, and when. Pure."""

from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    BOOKED = "booked"
    FULFILLED = "fulfilled"
    """It took place."""
    NOSHOW = "noshow"
    """The patient did not come."""
    CANCELLED = "cancelled"


class Refusal(StrEnum):
    NOT_BOOKED = "not_booked"
    """What has become something else stays that."""
    NOT_BEGUN = "not_begun"


KEEPS_ITS_TIME = frozenset({Status.BOOKED, Status.FULFILLED})
"""In these its doctor has no time for another one."""
_SEEN_ONLY_THEN = frozenset({Status.FULFILLED, Status.NOSHOW})


def refusal(status: str, wanted: Status, *, starts_at: datetime, now: datetime) -> Refusal | None:
    """Say why it cannot become, or stay, that at `now`; None: it can."""
    if status != Status.BOOKED:
        return Refusal.NOT_BOOKED
    if wanted in _SEEN_ONLY_THEN and now < starts_at:
        return Refusal.NOT_BEGUN
    return None
