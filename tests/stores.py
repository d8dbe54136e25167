"""Migrated databases for the tests: migrated once per test process, fresh for every test."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql

from tests.postgres import PostgresServer

Migrate = Callable[[str], None]


class Store(Protocol):
    """A kind of database that can give a test a fresh one."""

    def fresh(self, folder: Path) -> str:
        """Return the URL of a database that is migrated and otherwise empty."""


class SqliteStore:
    """One migrated file, copied for each test."""

    def __init__(self, folder: Path, migrate: Migrate) -> None:
        self._template = folder / "template.db"
        migrate(f"sqlite:///{self._template}")

    def fresh(self, folder: Path) -> str:
        copy = folder / "carelink.db"
        shutil.copyfile(self._template, copy)
        return f"sqlite:///{copy}"


class PostgresStore:
    """One migrated database, emptied before each test: 20 times faster than a copy (2 ms).

    Emptying ends every connection that a test has left, passes by triggers and foreign keys, and
    puts back the rows and sequences of the migrations.
    """

    def __init__(self, server: PostgresServer, migrate: Migrate) -> None:
        self._server = server
        self._url = server.create_database("store")
        migrate(self._url)
        with self._connect() as connection:
            self._reset = b"".join(_reset_statements(connection))

    def fresh(self, folder: Path) -> str:
        with self._connect() as connection:
            connection.execute(self._reset)
        return self._url

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._server.folder), user="postgres", dbname="store", autocommit=True
        )


def _reset_statements(connection: psycopg.Connection) -> list[bytes]:
    """Remember what the migrations have left in `pristine`; return what brings it back."""
    connection.execute("CREATE SCHEMA pristine")
    statements = [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid();"
        "SET session_replication_role = replica;"
    ]
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    for (name,) in connection.execute(tables).fetchall():
        table = sql.Identifier(name).as_string(connection)
        connection.execute(f"CREATE TABLE pristine.{table} AS TABLE public.{table}".encode())
        statements.append(
            f"DELETE FROM public.{table};"
            f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE SELECT * FROM pristine.{table};"
        )
    sequences = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
    for name, last in connection.execute(sequences).fetchall():
        sequence = sql.Literal(f'public."{name}"').as_string(connection)
        statements.append(f"SELECT setval({sequence}, {last or 1}, {'true' if last else 'false'});")
    return [statement.encode() for statement in statements]
