"""Run a soak and print its table: `make soak`, or `python -m tests.soak`.

`SOAK_STATIONS`, `SOAK_SECONDS`, `SOAK_EVERY` (seconds between two refreshes of a station) and
`SOAK_SEED` change the dose.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.site import site
from tests.soak.soak import Dose, soak


def main() -> int:
    """Run it; return 1 where somebody was lost or let in."""
    dose = Dose(
        stations=int(os.environ.get("SOAK_STATIONS", "2000")),
        seconds=float(os.environ.get("SOAK_SECONDS", "600")),
        every=float(os.environ.get("SOAK_EVERY", "40")),
        seed=int(os.environ.get("SOAK_SEED", str(int(time.time())))),
    )
    print(f"{dose.stations} stations for {dose.seconds:g} s, seed {dose.seed}", flush=True)
    access = max(30, round(dose.every * 1.5))
    with (
        tempfile.TemporaryDirectory() as folder,
        site(
            Path(folder),
            rotation_grace_seconds=dose.grace,
            session_profiles={"standard": {"access_seconds": access}},
        ) as running,
    ):
        outcome = asyncio.run(soak(running, dose))
    print(outcome)
    bad = (outcome.lost, outcome.let_in, outcome.false_alarms, outcome.unexpected_ends,
           outcome.uncaught, outcome.server_errors)  # fmt: skip
    return 1 if any(bad) or not outcome.whole else 0


if __name__ == "__main__":
    sys.exit(main())
