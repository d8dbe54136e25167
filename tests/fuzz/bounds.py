"""How much is tried: the same few cases in every run of `make test`, or many new ones.

`FUZZ_TIMES=50 python -m pytest tests` tries fifty times as many, and other ones each time. A usual
run tries a quarter of the number that stands at a test, which is where new ones become rare.
"""

import os
import secrets

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
SAME_EACH_TIME = TIMES == 1
USUAL_PART = 4
LEAST = 20
SEED = 20_260_329 if SAME_EACH_TIME else secrets.randbits(32)


def bounded(examples: int) -> settings:
    """Return Hypothesis' settings for so many examples, of which a usual run tries a part."""
    return settings(
        max_examples=max(LEAST, examples * TIMES // USUAL_PART),
        derandomize=SAME_EACH_TIME,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
