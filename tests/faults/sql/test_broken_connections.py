"""Wherever in a request the connection to PostgreSQL breaks, the answer is the one for an outage,
or what it would have been: never an error of ours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from werkzeug.test import TestResponse

from carelink_api.extensions import db
from tests.auth_helper import Auth
from tests.postgres import PostgresServer
from tests.processes import wait_for

Call = Callable[[Auth, dict[str, Any]], TestResponse]
CALLS: dict[str, Call] = {
    "login": lambda auth, pair: auth.login(),
    "refused login": lambda auth, pair: auth.login(password="wrong"),
    "refresh": lambda auth, pair: auth.refresh(pair["refresh"]),
    "me": lambda auth, pair: auth.me(pair["access"]),
    "sessions": lambda auth, pair: auth.get("/api/auth/sessions/", pair["access"]),
    "patients": lambda auth, pair: auth.get("/api/patients/", pair["access"]),
    "logout": lambda auth, pair: auth.logout(pair["refresh"]),
    "logout everywhere": lambda auth, pair: auth.logout_all(pair["access"]),
    "metrics": lambda auth, pair: auth.get("/metrics"),
}
WHOLE: dict[str, tuple[int, ...]] = dict.fromkeys(CALLS, (200,)) | {"refused login": (401,)}


@contextmanager
def broken_at(engine: Engine, postgres: PostgresServer, step: int) -> Iterator[list[int]]:
    """Break the connection just before what is said to PostgreSQL as the `step`th, a commit and a
    rollback among it; lists what was said.
    """
    said: list[int] = []

    def listen(connection: Connection, *statement: Any) -> None:
        if not (statement or connection.invalidated or _of(connection).info.transaction_status):
            return  # there is no transaction to end, so nothing is said
        said.append(len(said) + 1)
        if said[-1] == step:
            _end(postgres, _of(connection))

    names = ("before_cursor_execute", "commit", "rollback")
    for name in names:
        event.listen(engine, name, listen)
    try:
        yield said
    finally:
        for name in names:
            event.remove(engine, name, listen)


def _of(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _end(postgres: PostgresServer, connection: Any) -> None:
    pid = connection.info.backend_pid
    with psycopg.connect(
        host=str(postgres.folder), user="postgres", dbname="postgres", autocommit=True
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        lives = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        wait_for(lambda: other.execute(lives, [pid]).fetchone() is None, "it to be gone")


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_breaks_anywhere_in_a_request_is_an_outage_and_no_error(
    call: str, app: Flask, auth: Auth, postgres: PostgresServer
) -> None:
    auth.create_user(user_type="doctor")
    with app.app_context():
        engine = db.engine
    broken = 0
    while True:
        pair = auth.tokens()
        with broken_at(engine, postgres, broken + 1) as said:
            answer = CALLS[call](auth, pair)
        assert answer.status_code in WHOLE[call] or answer.status_code == 503, answer.text
        assert answer.status_code != 503 or answer.headers["Retry-After"]
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        if len(said) <= broken:
            break
        broken += 1
    assert broken >= 2


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_database_that_takes_no_writes_is_an_outage_until_it_does(app: Flask, auth: Auth) -> None:
    auth.create_user()
    pair = auth.tokens()
    _reopen(app, read_only=True)
    for answer in (auth.login(), auth.refresh(pair["refresh"]), auth.logout(pair["refresh"])):
        assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert auth.me(pair["access"]).status_code == 200
    _reopen(app, read_only=False)
    assert auth.refresh(pair["refresh"]).status_code == 200


def _reopen(app: Flask, *, read_only: bool) -> None:
    """Let the database say so to whoever connects from now on, and connect anew."""
    with app.app_context():
        name = db.engine.url.database
        state = "on" if read_only else "off"
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(
                text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {state}')
            )
        db.engine.dispose()


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_connection_that_does_not_roll_back_is_thrown_away_and_its_place_is_free(
    app: Flask, client: FlaskClient
) -> None:
    """Refused by the driver, not by a server that is gone: SQLAlchemy takes it for a good one."""
    lent: list[Any] = []

    @app.get("/stays-open/")
    def stay_open() -> str:
        connection = db.session.connection()
        inner = _of(connection).transaction()
        inner.__enter__()  # inside it, psycopg forbids a rollback
        lent.extend((connection, _of(connection), inner))
        return "answered"

    with app.app_context():
        pool: Any = db.engine.pool
    answer = client.get("/stays-open/")
    connection, raw, _ = lent
    assert (answer.status_code, answer.text) == (200, "answered")
    assert (pool.checkedout(), connection.closed, raw.closed) == (0, True, True)
    assert client.get("/health/ready").status_code == 200
