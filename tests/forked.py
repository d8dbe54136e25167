"""Processes of ours without their start: forked from one that has imported what they all need.

To start Python and import the libraries takes a process of ours more than a second of CPU, and the
tests start some hundreds. CareLink itself is imported after the fork: it reads the environment as
it is imported, and a test gives each process its own. What starts from nothing is in
`test_development.py` and `e2e/test_tour.py`.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = (
    "alembic.context", "argon2", "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.rsa", "flask.cli", "flask_cors",
    "flask_jwt_extended", "flask_limiter", "flask_migrate", "flask_smorest", "flask_sqlalchemy",
    "flask_swagger_ui", "granian.cli", "marshmallow", "orjson", "psycopg", "pydantic_settings",
    "redis.asyncio", "rich.console", "rich.table", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite", "structlog", "werkzeug.middleware.proxy_fix",
    "zxcvbn",
)  # fmt: skip
"""Not `prometheus_client`, which decides by the environment how it counts."""
_STEP_SECONDS = 0.005
_alone = threading.Lock()
wanted = False
"""Whether servers are made so: by tests, not where something is measured."""
_ROOT = Path(__file__).resolve().parent.parent


class Forked:
    """One such process, as far as `subprocess.Popen` is asked for."""

    def __init__(
        self, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], files: list[str]
    ) -> None:
        interpreter, switch, *words = map(str, command)
        assert (interpreter, switch) == (sys.executable, "-m"), command
        self._status = Path(tempfile.mkstemp(prefix="cl-status-")[1])
        self.returncode: int | None = None
        told = str(self._status)
        self.pid = _ask(words=words, cwd=str(cwd), env=dict(env), files=files, told=told)

    def poll(self) -> int | None:
        if self.returncode is None and (told := self._status.read_text()):
            self.returncode = int(told)
            self._status.unlink()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(_STEP_SECONDS)
        return status

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def run(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command of ours (`python -m flask …`) to its end, as `subprocess.run` does."""
    with tempfile.TemporaryDirectory(prefix="cl-") as folder:
        given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
        given.write_text(stdin)
        status = Forked(command, cwd, env, [str(given), str(out), str(err)]).wait()
        return subprocess.CompletedProcess(command, status, out.read_text(), err.read_text())


def _ask(**asked: Any) -> int:
    with _alone:
        _origin().sendall(json.dumps(asked).encode() + b"\n")
        return int(_origin().recv(32))


@cache
def _origin() -> socket.socket:
    """Return the line to the process that they are forked from; started once, ends with us."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
    process = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork whenever asked; return in each child what it shall be, and None at the end."""
    told: dict[int, str] = {}

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                Path(told.pop(ended[0])).write_text(str(os.waitstatus_to_exitcode(ended[1])))

    signal.signal(signal.SIGCHLD, reap)
    for message in line.makefile("rb"):
        asked: dict[str, Any] = json.loads(message)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0:
            line.close()
            return asked
        told[pid] = asked["told"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        line.sendall(str(pid).encode())
    return None


def _become(asked: Mapping[str, Any]) -> None:
    """Be from now on what `python -m` starts with these words and this environment."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    os.setsid()
    given, *outputs = asked["files"]
    files = [os.open(given, os.O_RDONLY)]
    files += [os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in outputs]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv = asked["words"]
    runpy.run_module(asked["words"][0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    if asked := _serve(socket.socket(fileno=int(sys.argv[1]))):
        _become(asked)
