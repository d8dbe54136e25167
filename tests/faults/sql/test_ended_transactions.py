"""PostgreSQL ends a transaction that has stood still: an outage, and no fault of ours."""

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from carelink_api.extensions import db
from tests.processes import wait_for
from tests.servers import PostgresServer


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_transaction_that_was_ended_for_standing_still_is_answered_503(
    app: Flask, client: FlaskClient, postgres: PostgresServer
) -> None:
    def lives(pid: int) -> bool:
        with psycopg.connect(host=str(postgres.folder), user="postgres", dbname="store") as other:
            found = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
            return other.execute(found, [pid]).fetchone() is not None

    @app.get("/stands-still/")
    def stand_still() -> str:
        sql = db.session()
        pid = sql.scalar(text("SELECT pg_backend_pid()"))
        assert pid is not None
        sql.execute(text("SET idle_in_transaction_session_timeout = 20"))
        wait_for(lambda: not lives(pid), "PostgreSQL to end it")
        return str(sql.scalar(text("SELECT 1")))

    answer = client.get("/stands-still/")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
