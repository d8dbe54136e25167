"""Development only: what `make run` does, from an empty folder to a server that answers.

`python -m carelink_api.development` prepares the database, the embedded Valkey and the demo
hospital, then runs the API and the housekeeper until Ctrl-C. Nothing here serves production.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import flask_migrate
from flask import Flask
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from . import clock, create_app, embedded
from .config import UnsafeSettings
from .errors import CareLinkError
from .ops import demo
from .stopping import StopFlag

ROOT = Path(__file__).resolve().parent.parent
"""The clone: `wsgi.py` and `instance/` lie here."""
DEFAULT_PORT = 5000
HOST = "127.0.0.1"  # a client that tries ::1 for "localhost" first falls back to it
READY_SECONDS = 30.0
STOP_SECONDS = 8.0
RESTART_SECONDS = 5.0
_WATCH_SECONDS = 0.5
_GOES_ON_EVERY = timedelta(hours=1)
_HOUSEKEEPER = (sys.executable, "-m", "flask", "--app", "wsgi", "housekeep")
_out = Console(highlight=False, soft_wrap=True)
if not _out.is_terminal:
    _out.width = 120  # a file has no edge: one line a login


def main() -> int:
    """Run until a signal; return the exit status. What is missing is said in one line."""
    stopping = StopFlag()
    stopping.listen(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    try:
        port = free_port(os.environ.get("PORT", ""))
        return _run(port, stopping)
    except UnsafeSettings as fault:
        print(fault, file=sys.stderr)
        return 1


def free_port(text: str) -> int:
    """Return the port that is asked for, 5000 for none. Raises UnsafeSettings."""
    if not text:
        text = str(DEFAULT_PORT)
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if not 1 <= port <= 65535:
        raise UnsafeSettings(f"PORT={text} is no port from 1 to 65535; try `make run PORT=5001`.")
    if _is_taken(port):
        other = port + 1 if port < 65535 else DEFAULT_PORT
        raise UnsafeSettings(
            f"Port {port} is taken by another program: stop that one, "
            f"or choose another port with `make run PORT={other}`."
        )
    return port


def _is_taken(port: int) -> bool:
    # Somebody on ::1 would get the requests for "localhost", though 127.0.0.1 were free.
    if _is_answered("::1", port) or _is_answered(HOST, port):
        return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise UnsafeSettings(
                f"Port {port} is for the administrator only: use `make run PORT=5000`."
            ) from None
        except OSError:
            return True
    return False


def _is_answered(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _run(port: int, stopping: StopFlag) -> int:
    os.chdir(ROOT)
    os.environ["CARELINK_ENV"] = "development"
    instance = ROOT / "instance"
    if not os.environ.get("CARELINK_REDIS_URL"):
        os.environ["CARELINK_REDIS_URL"] = embedded.ensure_running(instance)
    try:
        app = create_app(background=False)
        _prepare(app)
        return _serve(app, port, stopping)
    finally:
        if embedded.started_here(instance):
            embedded.stop(instance)


def _prepare(app: Flask) -> None:
    """Bring the database up to date and fill an empty one."""
    with app.app_context():
        flask_migrate.upgrade()
        if demo.load(clock.now()):
            _out.print("Loaded the demo hospital.")


def _serve(app: Flask, port: int, stopping: StopFlag) -> int:
    """Run the API and the housekeeper until `stopping` is set or the API ends by itself."""
    _count_anew(ROOT / "instance" / f"metrics-{port}")
    api = _spawn(_granian(port))
    housekeeper = _spawn(_HOUSEKEEPER)
    try:
        if not _becomes_ready(api, port, stopping):
            return _explain(api, stopping)
        _greet(port)
        housekeeper = _watch(app, api, housekeeper, stopping)
        return _explain(api, stopping)
    finally:
        _end(api, housekeeper)


def _count_anew(folder: Path) -> None:
    """Give the processes an empty folder to count in: they start at nought, all together."""
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _granian(port: int) -> Sequence[str]:
    return (
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "error"),
        *("--host", HOST, "--port", str(port), "--workers", "2", "--blocking-threads", "32"),
        # Without it one dead worker stops the whole server.
        *("--respawn-failed-workers", "--workers-kill-timeout", "5", "wsgi:app"),
    )


def _spawn(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches us alone, and we end the children in order.
    return subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )


def _becomes_ready(api: subprocess.Popen[bytes], port: int, stopping: StopFlag) -> bool:
    until = clock.monotonic() + READY_SECONDS
    while clock.monotonic() < until and api.poll() is None and not stopping.wait(0.1):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health/live/", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            continue  # not yet
    return False


def _watch(
    app: Flask,
    api: subprocess.Popen[bytes],
    housekeeper: subprocess.Popen[bytes],
    stopping: StopFlag,
) -> subprocess.Popen[bytes]:
    """Wait for the end, starting the housekeeper again when it dies; return the last one."""
    started_at, goes_on_at = clock.monotonic(), clock.now() + _GOES_ON_EVERY
    while not stopping.wait(_WATCH_SECONDS) and api.poll() is None:
        if clock.now() >= goes_on_at:
            goes_on_at = clock.now() + _GOES_ON_EVERY
            _go_on(app)
        rested = clock.monotonic() - started_at > RESTART_SECONDS
        if housekeeper.poll() is not None and rested:
            _out.print("The housekeeper has ended; starting it again.")
            housekeeper, started_at = _spawn(_HOUSEKEEPER), clock.monotonic()
    return housekeeper


def _go_on(app: Flask) -> None:
    """Keep the demo hospital's roster, so that its nurses stay on shift while this runs."""
    try:
        with app.app_context():
            demo.go_on(clock.now())
    except (SQLAlchemyError, CareLinkError) as fault:
        _out.print(f"The demo hospital's roster was not kept: {type(fault).__name__}.")


def _explain(api: subprocess.Popen[bytes], stopping: StopFlag) -> int:
    if stopping.is_set:
        _out.print("\nStopping. The data stays in instance/.")
        return 0
    ended = api.poll() is not None
    print("The API has ended." if ended else "The API does not answer.", file=sys.stderr)
    return 1


def _end(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own session, hence its own group
            process.wait()


def _greet(port: int) -> None:
    url = f"http://localhost:{port}"
    table = Table(title="Demo logins", title_justify="left", box=None, pad_edge=False)
    for heading in ("e-mail", "password", "may"):
        table.add_column(heading, no_wrap=heading != "may")
    for login in demo.LOGINS:
        table.add_row(login.email, login.password, login.may)
    _out.print(f"\nCareLink answers on {url} (Ctrl-C ends it)\n", style="bold")
    _out.print(table)
    _out.print(
        f"\nTheir colleagues (`flask users list`) share one password: {demo.COLLEAGUES_PASSWORD}\n"
        "A nurse among them logs in around her shifts only (`flask shifts list`)."
    )
    _out.print(
        f"\nWard workstation {url}/\n"
        f"Console          {url}/ops/\n"
        f"API documents    {url}/api/docs/\n"
        f"Readiness        {url}/health/ready/\n"
        "Command line     CARELINK_ENV=development .venv/bin/flask --app wsgi --help\n"
    )


if __name__ == "__main__":
    sys.exit(main())
