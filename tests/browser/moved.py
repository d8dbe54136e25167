"""The application on a clock that tests move: seconds in a file, read with every request."""

import os
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import time_machine

from wsgi import app as carelink

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Moved:
    """Lets this process's time follow the file before each request."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed = 0.0
        self._lock = threading.Lock()
        self._traveller = time_machine.travel(datetime.now().astimezone(), tick=True).start()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        self._follow()
        return carelink(environ, start_response)

    def _follow(self) -> None:
        with self._lock:
            passed = float(self._file.read_text() or 0)
            if passed > self._passed:
                self._traveller.shift(timedelta(seconds=passed - self._passed))
                self._passed = passed


app = Moved(Path(os.environ["CLOCK_FILE"]))
