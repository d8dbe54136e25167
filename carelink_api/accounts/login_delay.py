"""How long an account waits after failed logins in a row, as a pure rule.

At most 100 guesses may ever be made at one password, whatever the addresses they come from
(NIST SP 800-63B-4 §3.2.2, ASVS 6.3.1), while a stranger who guesses cannot soon lock its owner out.
"""

from datetime import UTC, datetime, timedelta

FREE_FAILURES = 9
"""Failures that cost nothing: typing errors, a forgotten password."""
KNOWN_ADDRESS_FAILURES = 30
"""Up to here an address from where the user has logged in lately does not wait."""
MAX_FAILURES = 100
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
FOR_GOOD = timedelta.max
"""Stands for "until an operator sets a new password or enables the account"."""
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""What `blocked_until` holds then: a time that every database and time zone can show."""


def login_delay(failed_logins: int) -> timedelta | None:
    """Return how long the account waits after that many failures in a row.

    None up to the 9th; 30 seconds after the 10th, doubled by each further one up to an hour;
    `FOR_GOOD` from the 100th on.
    """
    if failed_logins <= FREE_FAILURES:
        return None
    if failed_logins >= MAX_FAILURES:
        return FOR_GOOD
    doublings = min(failed_logins - FREE_FAILURES - 1, 7)  # the 7th is past an hour already
    return min(FIRST_DELAY * (1 << doublings), LONGEST_DELAY)


def delayed_until(failed_logins: int, now: datetime) -> datetime | None:
    """Return when the account may log in again: None for at once, `NEVER` for not by itself."""
    delay = login_delay(failed_logins)
    if delay is None:
        return None
    return NEVER if delay == FOR_GOOD else now + delay


STEPS = [n for n in range(1, MAX_FAILURES + 1) if login_delay(n) != login_delay(n - 1)]
"""The numbers of failures at which the delay changes."""
