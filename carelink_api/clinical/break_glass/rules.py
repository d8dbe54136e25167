"""What break-glass goes by: reasons, outcomes, and who reviews. Who may do it says `access`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

REASON_CODES = ("life_threatening", "covering", "consultation", "transfer", "other")
"""Danger for life or limb; in for a colleague; asked for advice; on the way; see the text."""
OUTCOMES = ("appropriate", "inappropriate", "unclear")
REVIEWERS = frozenset({"admin"})
"""They see who, when and why, and how often the record was used; never what stands in it."""
REVIEW_DUE_AFTER = timedelta(hours=72)
RATE_DAYS = 30
"""Over how many days rates are counted where nobody says."""


class GrantEnd(StrEnum):
    """How an emergency access ended."""

    GIVEN_BACK = "given_back"
    RAN_OUT = "ran_out"
    SESSION_ENDED = "session_ended"


def end_of(
    opened_at: datetime,
    expires_at: datetime,
    session_ends: Iterable[datetime | None],
    now: datetime,
) -> tuple[datetime, GrantEnd] | None:
    """Return when and how a grant that nobody gave back has ended by `now`; None: it has not.

    `session_ends` are all the moments from which its session is over; the first counts.
    """
    session_end = min((at for at in session_ends if at is not None), default=expires_at)
    if session_end < expires_at and session_end <= now:
        return max(session_end, opened_at), GrantEnd.SESSION_ENDED
    return (expires_at, GrantEnd.RAN_OUT) if expires_at <= now else None


class Concern(StrEnum):
    """Whose record was opened, where curiosity would be a reason, too."""

    OWN = "own"
    COLLEAGUE = "colleague"
    VIP = "vip"


def concerns(
    viewer_id: int, owners: Iterable[int | None], staff_id: int | None, *, vip: bool
) -> list[Concern]:
    """Return what a review should know of whose record it was.

    `owners` are the accounts of the person whose record it is, `staff_id` the one as staff.
    """
    is_own = viewer_id in owners
    found = [Concern.OWN] if is_own else [Concern.COLLEAGUE] if staff_id is not None else []
    return [*found, Concern.VIP] if vip else found


def concerns_of(text: str | None) -> list[str]:
    """Return what `concerns` has found, as a row keeps it."""
    return text.split(",") if text else []


def is_settled(outcome: str | None) -> bool:
    """Say whether a grant needs no (other) review."""
    return outcome in ("appropriate", "inappropriate")


def may_review(user_type: str, reviewer_id: int, broken_by: int) -> bool:
    """Say whether somebody may judge this grant: a reviewer, and never one's own."""
    return user_type in REVIEWERS and reviewer_id != broken_by
