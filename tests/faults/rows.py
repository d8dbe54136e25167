"""What a fault looked like from outside, measured: the rows of the table in docs/operations.md."""

import math
from collections import Counter
from dataclasses import dataclass, field

PROPERTY = "fault"
"""Under this name a test hands its row to whoever prints them (`record_property`)."""
NOTICEABLE_SECONDS = 0.1
HEADER = (
    "| store | fault | clients in good standing see | slow (≥ 100 ms), until"
    " | a log-out is answered | a revoked session's last 200 | `python -m tests.faults -k` |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass
class Row:
    """One fault. Times are seconds."""

    store: str
    fault: str
    test: str
    statuses: Counter[int] = field(default_factory=Counter)
    """Of the clients in good standing."""
    slowest: float = 0.0
    noticed: int = 0
    """How many of those answers took 100 ms or more, or were no 200."""
    noticed_until: float = 0.0
    """When the last of them came, counted from when the fault began."""
    endings: Counter[int] = field(default_factory=Counter)
    slowest_ending: float = 0.0
    last_accepted: float = -math.inf
    """The latest request of a revoked session that was answered 200, after the revocation's."""

    def __str__(self) -> str:
        cells = (
            self.store,
            self.fault,
            f"{_counted(self.statuses)}, the slowest after {_ms(self.slowest)}",
            f"{self.noticed} slow, until {self.noticed_until:.1f} s"
            if self.noticed
            else "none slow",
            f"{_counted(self.endings)}, the slowest after {_ms(self.slowest_ending)}",
            f"{_ms(self.last_accepted)} after" if self.last_accepted > 0 else "none after it",
            f"`{self.test}`",
        )
        return f"| {' | '.join(cells)} |"


def _counted(statuses: Counter[int]) -> str:
    return " + ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
