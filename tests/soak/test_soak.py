"""A very small dose of what `make soak` does for ten minutes."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.soak.site import site
from tests.soak.soak import Dose, soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))


def test_nobody_is_lost_and_nobody_let_in_while_things_go_wrong(tmp_path: Path) -> None:
    faults = ("emptied", "storm")
    dose = Dose(stations=20, seconds=SECONDS, every=1.0, grace=1, rest=0.5, faults=faults)
    # In a thread of its own: a browser's tests may keep a loop in this one.
    with (
        site(tmp_path, rotation_grace_seconds=dose.grace) as running,
        ThreadPoolExecutor(1) as aside,
    ):
        outcome = aside.submit(lambda: asyncio.run(soak(running, dose))).result()
    print(outcome)
    assert (outcome.lost, outcome.let_in, outcome.false_alarms) == ([], [], set())
    assert (outcome.unexpected_ends, outcome.uncaught, outcome.server_errors) == ({}, set(), 0)
    assert outcome.whole
    assert outcome.counts["sessions revoked"] >= 1
    assert outcome.counts["stolen tokens caught"] >= 1
    assert outcome.counts["refreshes"] >= 20
