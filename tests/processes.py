"""A server as a child process of the tests: it starts, ends, crashes, hangs and goes on.

Every server lies in a short private folder (a socket's path has at most 103 bytes) and ends with
the test run.
"""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

import psutil

from tests import forked
from tests.forked import Forked

START_SECONDS = 120.0
STOP_SECONDS = 10.0
PORTS = range(16_000, 32_000)
_ports: set[int] = set()


def free_port() -> int:
    """Return a TCP port of the loopback that is this process's own until it ends.

    The kernel gives out none so low by itself, and other test processes see that it is taken.
    """
    return next(port for port in random.sample(PORTS, len(PORTS)) if _is_ours(port))


def _is_ours(port: int) -> bool:
    if port in _ports:
        return False
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    _ports.add(port)
    return True


@cache
def _reservations() -> IO[bytes]:
    """Return the file of which each byte stands for a port: who has locked it has the port."""
    return (Path(tempfile.gettempdir()) / f"carelink-test-ports-{os.getuid()}").open("wb")


def short_folder() -> Path:
    """Make a private folder with a short path; whoever makes it removes it."""
    return Path(tempfile.mkdtemp(prefix="cl-", dir="/tmp"))


def wait_for(done: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until `done()`. Raises TimeoutError that says for what.

    The limit is for what never comes: a busy machine may take many times what an idle one takes.
    """
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


class Server:
    """A child process that can be ended, killed, stopped in its tracks and let go on."""

    def __init__(self) -> None:
        self.folder = short_folder()
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start, and return when it answers."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self.process is not None, "it has not been started"
        return self.process.pid

    def stop(self) -> None:
        """End it in an orderly way; nothing happens where it has ended already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang: connections stay open and nothing answers."""
        self._each(psutil.Process.suspend)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._each(psutil.Process.resume)

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _each(self, act: Callable[[psutil.Process], None]) -> None:
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):  # a helper of it may end any moment
                act(process)

    def _family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
            os.kill(process.pid, signal.SIGCONT)  # it may be paused
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self, *command: str | Path, **options: Any) -> None:
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **options,
            )

    def _fork(self, *command: str | Path, cwd: Path, env: Mapping[str, str]) -> None:
        """Spawn a process of ours (`python -m …`), in a test for a fraction of the CPU."""
        if not forked.wanted:
            return self._spawn(*command, cwd=cwd, env=env)
        log = str(self.folder / "server.log")
        self.process = Forked(command, cwd, env, [os.devnull, log, log])
        return None

    def log(self) -> str:
        """Return what it has printed so far."""
        return (self.folder / "server.log").read_text(errors="replace")

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def _wait_until(self, answers: Callable[[], bool]) -> None:
        wait_for(lambda: answers() or self._has_ended(), type(self).__name__)
        if self._has_ended():
            raise RuntimeError(f"{type(self).__name__} does not start: {self.log()}")
