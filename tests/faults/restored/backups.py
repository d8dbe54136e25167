"""Backups of the stores, taken and put back the way an operator does."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url

from tests.servers import PostgresServer, ValkeyServer


class Backups(Protocol):
    """Takes one backup of a database, and restores it."""

    def take(self) -> None: ...

    def restore(self) -> None: ...


class SqliteBackups:
    """With SQLite's own backup, in both directions: what is there is overwritten."""

    def __init__(self, url: str) -> None:
        self._path = Path(url.removeprefix("sqlite:///"))
        self._copy = self._path.with_suffix(".backup")

    def take(self) -> None:
        _copy(self._path, self._copy)

    def restore(self) -> None:
        _copy(self._copy, self._path)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


class PostgresBackups:
    """With `pg_dump` and `pg_restore`, which ends every open connection first."""

    def __init__(self, server: PostgresServer, url: str, folder: Path) -> None:
        self._server = server
        self._name = str(make_url(url).database)
        self._file = folder / "backup.dump"

    def take(self) -> None:
        self._run("pg_dump", "-Fc", "-n", "public", "-f", str(self._file), self._name)

    def restore(self) -> None:
        self._server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE datname = '{self._name}'"
        )
        options = ("-1", "--clean", "--if-exists", "-d", self._name)
        self._run("pg_restore", *options, str(self._file))
        # Of one schema alone the dump lacks what everybody may do in `public` by default.
        self._server.execute("GRANT USAGE ON SCHEMA public TO PUBLIC", self._name)

    def _run(self, tool: str, *arguments: str) -> None:
        connection = ("-h", str(self._server.folder), "-U", "postgres")
        command = [str(self._server._bin / tool), *connection, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()


class ValkeyBackups:
    """A copy of the server's files: of the append-only file, or of an RDB snapshot."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self._copy = server.folder / "backup"

    def take(self) -> None:
        if self._append_only:
            self._server.restart()  # its file is whole then
        else:
            with self._server.client() as client:
                client.save()
        self._replace(self._copy, self._server.folder)

    def restore(self) -> None:
        self._server.kill()
        self._replace(self._server.folder, self._copy)
        self._server.start()

    @property
    def _append_only(self) -> bool:
        return self._server.config.get("appendonly") != "no"

    def _replace(self, target: Path, source: Path) -> None:
        target.mkdir(exist_ok=True)
        name = "appendonlydir" if self._append_only else "dump.rdb"
        move: Callable[..., object] = shutil.copytree if self._append_only else shutil.copyfile
        shutil.rmtree(target / name, ignore_errors=True)
        move(source / name, target / name)
