"""The one place that reads the time.

Everything below a use case gets `now` as an argument, so that a test moves time and nothing waits.
"""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def wall() -> float:
    """Return seconds since the epoch: comparable between processes, may jump."""
    return time.time()


def monotonic() -> float:
    """Return seconds that never go back: comparable within this process only."""
    return time.monotonic()
