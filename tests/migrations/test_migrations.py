"""Migrations go up and down with data in them, and leave what the models describe."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, MetaData, Select, Table, create_engine, insert, text
from sqlalchemy.exc import IntegrityError

import carelink_api
from carelink_api import clock, create_app
from carelink_api.audit.models import AuditEvent
from carelink_api.config import Settings
from carelink_api.database import Base
from tests.auth_helper import Auth
from tests.conftest import TEST_SETTINGS, MakeApp, close
from tests.migrations.hospital import HOSPITAL
from tests.sessions.helpers import parts

_FOLDER = Path(carelink_api.__file__).parent / "migrations"
_SCRIPTS = ScriptDirectory(str(_FOLDER))
REVISIONS = [script.revision for script in reversed(list(_SCRIPTS.walk_revisions()))]
STEPS = list(itertools.pairwise(REVISIONS))
_names = itertools.count()
Data = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("postgres").create_database(f"empty{next(_names)}")
    return url


@pytest.fixture
def type_db(empty_store: str) -> Iterator[Callable[..., None]]:
    """Type `flask db …`, which must succeed."""
    stores = {"sqlalchemy_database_uri": empty_store, "redis_url": "unix:///nonexistent"}
    app = create_app(Settings(**TEST_SETTINGS, **stores), background=False)

    def run(*words: str) -> None:
        result = app.test_cli_runner().invoke(args=["db", *words])
        assert result.exit_code == 0, result.output

    yield run
    close(app)


@pytest.fixture
def engine(empty_store: str) -> Iterator[Engine]:
    engine = create_engine(empty_store)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> dict[str, Table]:
    """Return the tables that are there now, in the order in which rows can be inserted."""
    found = MetaData()
    found.reflect(engine)
    return {table.name: table for table in found.sorted_tables if table.name != "alembic_version"}


def fill(engine: Engine) -> None:
    """Insert a hospital's data into the tables of this revision, as far as it has the columns."""
    with engine.begin() as connection:
        for name, table in tables(engine).items():
            rows = [
                {column: value for column, value in row.items() if column in table.columns}
                for row in HOSPITAL.get(name, [])
            ]
            if name == "change_counter":
                connection.execute(table.update().values(rows[0]))
            elif rows:
                connection.execute(table.insert(), rows)


def data(engine: Engine) -> Data:
    """Return every row of every table, as it is stored."""
    with engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(_all_of(table)).mappings()]
            for name, table in tables(engine).items()
        }


def _all_of(table: Table) -> Select[*tuple[Any, ...]]:
    return table.select().order_by(*table.primary_key)


def known_to(old: Data, new: Data) -> Data:
    """Return what of `new` stands in tables and columns that `old` has too.

    A chore that is new is a row that is new.
    """
    known = {
        name: [{column: row[column] for column in rows[0]} for row in new[name]]
        for name, rows in old.items()
    }
    if "chores" in known:
        known["chores"] = [row for row in known["chores"] if row in old["chores"]]
    return known


def test_there_is_one_line_of_revisions() -> None:
    assert len(_SCRIPTS.get_heads()) == len(_SCRIPTS.get_bases()) == 1


def test_the_migrations_leave_what_the_models_describe(
    type_db: Callable[..., None], engine: Engine
) -> None:
    type_db("upgrade")
    type_db("check")
    assert set(tables(engine)) == set(Base.metadata.tables)


def test_a_difference_between_models_and_migrations_is_found(
    type_db: Callable[..., None], engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    type_db("upgrade")
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_sessions_change_number"))
    with pytest.raises(AssertionError):
        type_db("check")
    assert "ix_sessions_change_number" in caplog.text


def test_every_revision_goes_up_and_down_from_nothing(
    type_db: Callable[..., None], engine: Engine
) -> None:
    there: dict[str, Data] = {}
    for revision in REVISIONS:
        type_db("upgrade", revision)
        there[revision] = data(engine)
        assert there[revision]["change_counter"][0]["value"] == 0
    for revision in reversed(REVISIONS):
        assert data(engine) == there[revision], revision
        type_db("downgrade")  # by one
    assert tables(engine) == {}
    for revision in REVISIONS:
        type_db("upgrade", revision)
        assert data(engine) == there[revision], revision


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_no_step_up_or_down_loses_what_both_revisions_know(
    type_db: Callable[..., None], engine: Engine, before: str, after: str
) -> None:
    type_db("upgrade", before)
    fill(engine)
    old = data(engine)
    assert {name for name, rows in old.items() if rows} == set(old), "data in every table"
    type_db("upgrade", after)
    assert known_to(old, data(engine)) == old
    type_db("downgrade", before)
    assert data(engine) == old
    type_db("upgrade", after)
    assert known_to(old, data(engine)) == old


def test_who_did_not_come_has_cancelled_for_a_release_that_knows_no_other_word(
    type_db: Callable[..., None], engine: Engine
) -> None:
    type_db("upgrade")
    fill(engine)
    missed = "UPDATE appointments SET status = 'noshow' WHERE id = 4"
    with engine.begin() as connection:
        connection.execute(text(missed))
    type_db("downgrade", "0008")
    statuses = {row["id"]: row["status"] for row in data(engine)["appointments"]}
    assert statuses == {4: "cancelled", 5: "fulfilled"}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(missed))
    type_db("upgrade")
    with engine.begin() as connection:
        connection.execute(text(missed))


def test_the_newest_revision_takes_a_row_in_every_table(
    type_db: Callable[..., None], engine: Engine
) -> None:
    type_db("upgrade")
    fill(engine)
    assert [name for name, rows in data(engine).items() if not rows] == []


def test_a_hospital_moved_down_and_up_again_still_fits_the_models(
    type_db: Callable[..., None], engine: Engine
) -> None:
    type_db("upgrade", REVISIONS[0])
    fill(engine)
    type_db("upgrade")
    type_db("downgrade", REVISIONS[0])
    type_db("upgrade")
    type_db("check")
    numbers = [row["id"] for row in data(engine)["audit_events"]]
    with engine.begin() as connection:
        event = insert(AuditEvent).values(recorded_at=clock.now(), event="x", outcome="y")
        assert connection.scalar(event.returning(AuditEvent.id)) == max(numbers) + 1


def test_sessions_go_on_and_ended_ones_stay_out_over_a_downgrade(
    app: Flask, auth: Auth, make_app: MakeApp
) -> None:
    auth.create_user()
    healthy, ended = auth.tokens(), auth.tokens()
    auth.logout(ended["refresh"])
    for words in (("downgrade", REVISIONS[0]), ("upgrade",)):
        result = app.test_cli_runner().invoke(args=["db", *words])
        assert result.exit_code == 0, result.output

    new = make_app()
    assert parts(new).pulse.beat()
    parts(new).denylist.client.flushall()
    calls = Auth(new)
    assert calls.me(healthy["access"]).status_code == 200
    assert calls.refresh(healthy["refresh"]).status_code == 200
    assert calls.me(ended["access"]).status_code == 401
    assert calls.refresh(ended["refresh"]).status_code == 401
