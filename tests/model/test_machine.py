"""Any story of sessions, users, workers and faults of Redis keeps what the design promises.

`make test` tells the same short stories each time. For twenty times as many, and other ones at
each run: `STORIES=20 python -m pytest tests/model/test_machine.py`.
"""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.faults import MachineUnderFire

TIMES = int(os.environ.get("STORIES", "1"))
STORIES, STEPS = 36, 40


def test_any_story_keeps_the_promise(make_machine: Callable[[], MachineUnderFire]) -> None:
    run_state_machine_as_test(
        make_machine,
        settings=settings(
            max_examples=STORIES * TIMES,
            stateful_step_count=STEPS,
            derandomize=TIMES == 1,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
