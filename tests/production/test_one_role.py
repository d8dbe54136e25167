"""A database from before there were two accounts becomes one of two, as operations.md says."""

import re
import subprocess
from collections.abc import Iterator

import flask_migrate
import psycopg
import pytest

from carelink_api import create_app
from carelink_api.audit.erasing import owns_the_trail
from carelink_api.config import Settings
from carelink_api.extensions import db
from carelink_api.housekeeping.schedule import Chore
from tests.conftest import TEST_SETTINGS, close, migrate
from tests.servers import ROOT, PostgresServer

ROLES = ("carelink", "carelink_owner")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of its own: roles are shared by all databases of a server."""
    with PostgresServer() as running:
        running.execute("CREATE ROLE carelink LOGIN")
        running.execute("CREATE DATABASE carelink OWNER carelink")
        migrate(url(running, "carelink"))
        yield running


def url(server: PostgresServer, role: str) -> str:
    return server.url("carelink").replace("postgres@", f"{role}@")


def documented() -> str:
    """Return the SQL of the page, with a password in the place of the file's."""
    page = (ROOT / "docs/operations.md").read_text()
    found = re.search(r"psql -U postgres carelink <<'END'\n(.*?)\n +END", page, re.DOTALL)
    assert found
    lines = [line.strip() for line in found[1].splitlines()]
    assert lines[0].startswith(r"\set owner `cat")
    return "\n".join([r"\set ON_ERROR_STOP on", r"\set owner secret", *lines[1:]])


def test_who_has_served_alone_serves_on_and_owns_nothing(server: PostgresServer) -> None:
    psql = [server._bin / "psql", "-X", "-h", server.folder, "-U", "postgres", "carelink"]
    done = subprocess.run(
        psql, input=documented(), capture_output=True, text=True, cwd="/", **server._as
    )
    assert done.returncode == 0, done.stderr
    owns = {}
    for role in ROLES:
        settings = TEST_SETTINGS | {"redis_url": "unix:///nonexistent"}
        app = create_app(
            Settings(**settings, sqlalchemy_database_uri=url(server, role)), background=False
        )
        with app.app_context():
            owns[role] = owns_the_trail(db.session())
            db.session.rollback()
            if owns[role]:  # whoever migrates from now on
                flask_migrate.downgrade(revision="-1")
                flask_migrate.upgrade()
        close(app)
    assert owns == {"carelink": False, "carelink_owner": True}
    address = f"host={server.folder} user=carelink dbname=carelink"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("INSERT INTO audit_events (recorded_at, event, outcome) "
                           "VALUES (now(), 'patient:read', 'success')")  # fmt: skip
        assert connection.execute("SELECT count(*) FROM chores").fetchone() == (len(Chore),)
        for forbidden in (
            "ALTER TABLE audit_events DISABLE TRIGGER ALL",
            "DELETE FROM audit_events",
            "CREATE TABLE mine (id int)",
            "DROP TABLE audit_gaps",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
