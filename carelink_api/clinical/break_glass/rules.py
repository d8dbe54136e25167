"""What break-glass goes by: reasons, outcomes, and who reviews. Who may do it says `access`."""

from datetime import timedelta

REASON_CODES = ("life_threatening", "covering", "consultation", "transfer", "other")
"""Danger for life or limb; in for a colleague; asked for advice; on the way; see the text."""
OUTCOMES = ("appropriate", "inappropriate", "unclear")
REVIEWERS = frozenset({"admin"})
"""They see who, when and why, and how often the record was used; never what stands in it."""
REVIEW_DUE_AFTER = timedelta(hours=72)
RATE_DAYS = 30
"""Over how many days rates are counted where nobody says."""


def is_settled(outcome: str | None) -> bool:
    """Say whether a grant needs no (other) review."""
    return outcome in ("appropriate", "inappropriate")


def may_review(user_type: str, reviewer_id: int, broken_by: int) -> bool:
    """Say whether somebody may judge this grant: a reviewer, and never one's own."""
    return user_type in REVIEWERS and reviewer_id != broken_by
