"""Any story of sessions, users, workers and faults of Redis keeps what the design promises.

`make test` tells the same few stories each time. For sixty times as many, and other ones at each
run: `STORIES=60 python -m pytest tests/model/test_machine.py`.
"""

import os
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.faults import MachineUnderFire
from tests.model.oracle import Windows

TIMES = int(os.environ.get("STORIES", "1"))
STEPS = 40
DEPLOYMENTS = {
    "from memory": (6, "memory", Windows(rotate=True, grace=10, lost_response=900)),
    "asking Redis": (4, "redis", Windows(rotate=True, grace=10, lost_response=900)),
    "no grace period": (3, "redis", Windows(rotate=True, grace=0, lost_response=900)),
    "single use": (3, "memory", Windows(rotate=True, grace=0, lost_response=0)),
    "rotation off": (3, "redis", Windows(rotate=False, grace=10, lost_response=900)),
}


@pytest.mark.parametrize(("stories", "check", "windows"), DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_any_story_keeps_the_promise(
    make_machine: Callable[[Windows, str], MachineUnderFire],
    stories: int,
    check: str,
    windows: Windows,
) -> None:
    run_state_machine_as_test(
        partial(make_machine, windows, check),
        settings=settings(
            max_examples=stories * TIMES,
            stateful_step_count=STEPS,
            derandomize=TIMES == 1,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
