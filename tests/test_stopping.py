"""A process that is told to stop, stops: however often and however fast it is told."""

import os
import signal
import subprocess
import sys
import time

from carelink_api.stopping import StopFlag

WAITS = """
import signal
from carelink_api.stopping import StopFlag
flag = StopFlag()
flag.listen(signal.SIGINT, signal.SIGTERM)
print("ready", flush=True)
while not flag.wait(0.01):
    pass
"""


def test_a_burst_of_signals_stops_a_loop() -> None:
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for number in [signal.SIGTERM, signal.SIGINT] * 20:
                os.kill(process.pid, number)
            # One that comes while the interpreter takes itself down ends it in the usual way.
            assert process.wait(60) in (0, -signal.SIGTERM, -signal.SIGINT)


def test_waiting_ends_when_the_time_is_over() -> None:
    started = time.monotonic()

    assert StopFlag().wait(0.15) is False
    assert time.monotonic() - started >= 0.15


def test_a_flag_that_is_set_waits_no_more() -> None:
    flag = StopFlag()
    flag.set()

    assert flag.wait(3600) is True
