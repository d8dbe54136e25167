"""What every table and transaction shares: the typed base, UTC times, SQLite's manners."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, cast

import structlog
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Engine,
    MetaData,
    any_,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

log = structlog.get_logger(__name__)

SQLITE_BUSY_MS = 5000
ADDRESS_WITHIN = "carelink_address_within"
_BEGIN = "sqlite_begin"
_IMMEDIATE = "BEGIN IMMEDIATE"


class Base(DeclarativeBase):
    """Base of every table. Named constraints, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no offset, so it is taken off and put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone must not reach the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


IDLE_IN_TRANSACTION_MS = 5000
"""Shorter than a request waits for a lock: who waits for that of a lost worker still gets it."""


BACKGROUND_NAME = "carelink background"
"""Of the connections of pulse and activity, in `pg_stat_activity`."""


def only_rows(condition: str) -> dict[str, Any]:
    """Let an index hold these rows only, on either database.

    A query uses it only where it spells the condition as the index does.
    """
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


def from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def engine_options(uri: str) -> dict[str, Any]:
    """Options of the requests' engine for this database URL."""
    options: dict[str, Any] = {
        "hide_parameters": True,  # an error's text reaches the log, and parameters are private
        "pool_size": 8,
        "max_overflow": 8,  # fewer than a worker has threads: a hung database must not hold all
        "pool_timeout": 3,
    }
    if uri.startswith("postgresql"):
        options |= {
            "isolation_level": "READ COMMITTED",  # what the races of section 4 are closed for
            "connect_args": postgres_limits(connect_s=3, statement_ms=10_000),
        }
    return options


def background_engine(uri: str) -> Engine:
    """Return an engine of one connection, for a thread that must not hang for long."""
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": 1, "max_overflow": 0}
    if uri.startswith("postgresql"):
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = postgres_limits(connect_s=1, statement_ms=1000) | {
            "application_name": BACKGROUND_NAME,
            "keepalives_idle": 1,
            "keepalives_interval": 1,
            "keepalives_count": 2,
        }
    return create_engine(uri, **options)


def postgres_limits(*, connect_s: int, statement_ms: int) -> dict[str, Any]:
    """psycopg's connect arguments that keep a stuck server from holding a thread for ever, and a
    worker that was cut off in the middle of a transaction from holding its locks.
    """
    limits = {
        "statement_timeout": statement_ms,
        "lock_timeout": statement_ms,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MS,
        "default_transaction_isolation": r"read\ committed",  # of statements by themselves
    }
    return {
        "connect_timeout": connect_s,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        "tcp_user_timeout": statement_ms,
    }


@event.listens_for(Engine, "connect")
def _on_connect(connection: Any, _record: Any) -> None:
    if type(connection).__module__ != "sqlite3":
        return
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {SQLITE_BUSY_MS}",  # first: the next one may have to wait for a writer
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    connection.create_function(ADDRESS_WITHIN, 2, _address_within, deterministic=True)


def _address_within(address: str, network: str) -> bool:
    """Answer as PostgreSQL's `inet <<= inet` does; False for what is no address."""
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:
        return False


@event.listens_for(Engine, "begin")
def _on_begin(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    begin = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if begin is not None:
        connection.exec_driver_sql(begin)


@contextmanager
def write_lock(connection: Connection) -> Iterator[Connection]:
    """Run one write transaction on a bare connection, as `writing` does on a session."""
    connection = connection.execution_options(**{_BEGIN: _IMMEDIATE})
    with connection.begin():
        yield connection


@contextmanager
def one_by_one(sql: Session) -> Iterator[Connection]:
    """Lend a connection on which every statement is a transaction of its own.

    For a use case that reads and then writes in one statement: PostgreSQL is asked once for each,
    where BEGIN and COMMIT would be round trips themselves.
    """
    connection = cast(Engine, sql.get_bind()).connect()
    raw: Any = None
    try:
        if connection.dialect.name == "postgresql":
            raw = connection.connection.dbapi_connection
            raw.autocommit = True  # SQLAlchemy's own way is twice as dear
        else:
            connection.execution_options(**{_BEGIN: None})
        yield connection
    finally:
        _put_back(connection, raw)


def _put_back(connection: Connection, set_apart: Any) -> None:
    """Put a connection back as it was. One that breaks at this takes no answer with it, since what
    was to be kept is committed; and it is never lent again.
    """
    try:
        if set_apart is not None:
            set_apart.autocommit = False
        connection.close()
    except (DBAPIError, connection.dialect.loaded_dbapi.Error) as error:
        _throw_away(connection, error)


def _throw_away(connection: Connection, error: Exception) -> None:
    """Let a connection never be lent again, and its place in the pool be free."""
    log.warning("connection_not_put_back", kind=type(error).__name__)
    if not connection.closed:
        connection.invalidate()
        connection.close()


@contextmanager
def writing(sql: Session) -> Iterator[Session]:
    """Run a use case that writes, in one transaction; commit at the end, roll back on an error.

    On SQLite the write lock is taken at once: a transaction that reads first and writes later
    fails with "database is locked" as soon as another one does the same.
    """
    if sql.in_transaction():
        sql.rollback()  # a read before it must not lend it an older snapshot
    sql.connection(execution_options={_BEGIN: _IMMEDIATE})
    try:
        yield sql
        sql.commit()
    except BaseException:
        sql.rollback()
        raise


class RequestSession(FlaskSession):
    """The session of a request, which ends after its answer was made."""

    lent: Connection | None = None
    """What its present transaction runs on, or the last one ran on."""

    def close(self) -> None:
        """Put the connection back. One that breaks at this takes nothing with it: what was to be
        kept is committed, the server rolls back by itself, and the answer stands. It is never lent
        again, and its place in the pool is free.
        """
        try:
            super().close()
        except Exception as error:
            if self.lent is None or not _is_of_database(error, self.lent):
                raise
            _throw_away(self.lent, error)
        finally:
            self.lent = None


@event.listens_for(RequestSession, "after_begin")
def _remember_lent(session: Session, _transaction: Any, connection: Connection) -> None:
    cast(RequestSession, session).lent = connection


def _is_of_database(error: Exception, connection: Connection) -> bool:
    """Say whether it comes from the database, or from its driver past SQLAlchemy."""
    return isinstance(error, DBAPIError | connection.dialect.loaded_dbapi.Error)


class Database(SQLAlchemy):
    """Flask-SQLAlchemy, which asks at the end of a request only where somebody has a session."""

    def _teardown_session(self, exc: BaseException | None) -> None:
        if self.session.registry.registry:
            super()._teardown_session(exc)


def one_of(sql: Session, column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """Express that a text column is one of very many ids, without a parameter for each.

    As one text, since the driver writes an array a value at a time. No id holds a comma; the
    parts of what holds one are nobody's.
    """
    if sql.get_bind().dialect.name == "postgresql":
        among = func.string_to_array(",".join(values), ",")
        return cast(ColumnElement[bool], column == any_(among))
    return cast(ColumnElement[bool], column.in_(values))
