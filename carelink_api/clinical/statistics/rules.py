"""Which numbers about patients point to none of them. Pure."""

from datetime import date, timedelta

READERS = frozenset({"researcher"})
SMALLEST_GROUP = 10
"""A number stands for at least so many patients, or is not told."""
MAX_DAYS = 92


def days_told(since: date | None, until: date | None, today: date) -> tuple[date, date]:
    """Return the first and last day to tell of: the 30 before today where none is named.

    Whole days that are over, and no other spans: of two spans of one's own choice, one a patient
    longer than the other, the difference would be that patient's. Raises ValueError.
    """
    last = min(until or today, today - timedelta(days=1))
    first = since or last - timedelta(days=29)
    if until is not None and first > until:
        raise ValueError("since lies after until.")
    if last - first >= timedelta(days=MAX_DAYS):
        raise ValueError(f"At most {MAX_DAYS} days at once.")
    return first, last
