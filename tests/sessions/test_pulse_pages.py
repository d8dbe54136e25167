"""The pulse reads page by page: nothing is missed between two, and no progress is lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.database import postgres_limits, writing
from carelink_api.sessions.ended import BULK
from carelink_api.sessions.models import ChangeCounter, Session
from carelink_api.sessions.pages import LARGEST, SMALLEST
from carelink_api.sessions.pulse import Pulse
from carelink_api.sessions.reading import Reader
from carelink_api.sessions.reasons import EndReason
from tests.sessions.helpers import BreakSql, end_elsewhere, insert_sessions, let_go, move_end
from tests.sessions.helpers import statements as listened

HOUR = timedelta(hours=1)


class Interrupted(Pulse):
    """A pulse beside which something happens after its first page."""

    pages = 0
    meanwhile: Callable[[], None] | None = None

    def _take(self, *args: Any) -> None:
        super()._take(*args)
        self.pages += 1
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()


@pytest.fixture
def pulse(engine: Engine, user_id: int) -> Interrupted:
    return Interrupted(engine, page_size=3)


def reasons(pulse: Pulse, sids: list[str]) -> list[str | None]:
    return [pulse.find(sid, clock.now()) for sid in sids]


def end_each(sql: Sql, sids: list[str], reason: EndReason = EndReason.IDLE) -> None:
    for sid in sids:
        end_elsewhere(sql, [sid], clock.now(), reason)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("count", [1, 3, 4, 11])
def test_every_page_is_read(
    pulse: Interrupted, sql: Sql, user_id: int, count: int, *, whole: bool
) -> None:
    if not whole:
        assert pulse.beat()
    pulse.pages = 0
    together, apart = (insert_sessions(sql, user_id, count, clock.now()) for _ in range(2))
    end_elsewhere(sql, together, clock.now(), EndReason.USER_DISABLED)
    end_each(sql, apart)
    assert pulse.beat()
    assert pulse.is_fresh()
    assert reasons(pulse, together + apart) == ["user_disabled"] * count + ["idle"] * count
    assert pulse.pages >= 2 * count // 3


def test_a_bulk_is_read_in_pages_and_packed(engine: Engine, sql: Sql, user_id: int) -> None:
    pulse = Pulse(engine, page_size=250)
    sids = insert_sessions(sql, user_id, 700, clock.now())
    for start in (0, 400):
        end_elsewhere(sql, sids[start : start + 400], clock.now())
    assert pulse.beat()
    assert set(reasons(pulse, sids)) == {"revoked"}
    assert len(pulse._ended._single) <= BULK, "the rest of a change, where a page ends in it"


def test_what_ends_while_the_list_is_read_is_not_missed(
    pulse: Interrupted, sql: Sql, user_id: int
) -> None:
    """Also where its time lies before what has been read."""
    sids = insert_sessions(sql, user_id, 9, clock.now())
    end_each(sql, sids[:7])
    passed = clock.now() - HOUR

    def end_two() -> None:
        end_elsewhere(sql, sids[7:8], passed, EndReason.SHIFT_ENDED)
        end_elsewhere(sql, sids[8:], clock.now())

    pulse.meanwhile = end_two
    assert pulse.beat()
    assert reasons(pulse, sids) == ["idle"] * 7 + ["shift_ended", "revoked"]


def test_what_changes_again_while_changes_are_read_is_not_missed(
    pulse: Interrupted, sql: Sql, user_id: int
) -> None:
    sids = insert_sessions(sql, user_id, 8, clock.now())
    assert pulse.beat()
    for sid in sids:
        move_end(sql, sid, clock.now() + HOUR)

    def end_first_and_last() -> None:
        end_elsewhere(sql, [sids[0], sids[7]], clock.now())

    pulse.meanwhile = end_first_and_last
    assert pulse.beat()
    assert reasons(pulse, sids) == ["revoked", *[None] * 6, "revoked"]
    assert pulse.find(sids[3], clock.now() + HOUR) == "shift_ended"


def test_an_end_that_is_withdrawn_while_the_list_is_read_is_withdrawn(
    pulse: Interrupted, sql: Sql, user_id: int
) -> None:
    sids = insert_sessions(sql, user_id, 5, clock.now())
    for sid in sids:
        move_end(sql, sid, clock.now() + HOUR)
    pulse.meanwhile = lambda: [move_end(sql, sid, None) for sid in (sids[0], sids[4])] and None
    assert pulse.beat()
    later = clock.now() + 2 * HOUR
    found = [pulse.find(sid, later) for sid in sids]
    assert found == [None, *["shift_ended"] * 3, None]


def test_a_whole_reading_forgets_ends_ahead_that_were_withdrawn_unseen(
    pulse: Interrupted, engine: Engine, sql: Sql, user_id: int, broken_sql: BreakSql
) -> None:
    kept, gone = insert_sessions(sql, user_id, 2, clock.now())
    for sid in (kept, gone):
        move_end(sql, sid, clock.now() + HOUR)
    assert pulse.beat()
    with writing(sql):  # as a restored backup would
        unmoved = {"refuse_from": None, "change_number": None}
        sql.execute(update(Session).where(Session.id == gone).values(**unmoved))
    let_go(sql)
    with broken_sql(engine):
        assert not pulse.beat()
    assert pulse.beat()
    later = clock.now() + 2 * HOUR
    assert [pulse.find(sid, later) for sid in (kept, gone)] == ["shift_ended", None]


def test_a_database_that_is_restored_between_two_pages_is_read_whole_again(
    pulse: Interrupted, sql: Sql, user_id: int
) -> None:
    sids = insert_sessions(sql, user_id, 8, clock.now())
    end_each(sql, sids)

    def restore() -> None:
        with writing(sql):
            gone = {"ended_at": None, "refuse_from": None, "change_number": None}
            sql.execute(update(Session).values(**gone))
            sql.execute(update(ChangeCounter).values(value=1))
        end_each(sql, sids[6:7], EndReason.USER_DISABLED)

    pulse.meanwhile = restore
    assert pulse.beat()
    found = reasons(pulse, sids)
    assert found[:3] == ["idle"] * 3, "what was seen to be over stays over"
    assert found[6] == "user_disabled"


def test_nothing_is_remembered_twice_after_another_whole_reading(
    engine: Engine, sql: Sql, user_id: int, broken_sql: BreakSql
) -> None:
    pulse = Pulse(engine, page_size=200)
    end_elsewhere(sql, insert_sessions(sql, user_id, 900, clock.now()), clock.now())
    assert pulse.beat()
    let_go(sql)
    for _ in range(3):
        with broken_sql(engine):
            assert not pulse.beat()
        assert pulse.beat()
    assert 900 <= pulse.size <= 900 + BULK


def test_a_list_that_is_not_read_to_its_end_is_not_fresh(
    pulse: Interrupted, engine: Engine, sql: Sql, user_id: int, broken_sql: BreakSql
) -> None:
    sids = insert_sessions(sql, user_id, 8, clock.now())
    end_each(sql, sids)
    let_go(sql)

    def fail() -> None:
        engine.dispose()
        breaking.__enter__()

    breaking = broken_sql(engine)
    pulse.meanwhile = fail
    try:
        assert not pulse.beat()
    finally:
        breaking.__exit__(None, None, None)
    assert not pulse.has_read
    assert reasons(pulse, sids)[:3] == ["idle"] * 3, "but what it has read it refuses"
    pulse.pages = 0
    assert pulse.beat()
    assert pulse.pages > 8 // 3, "after a lost connection it begins anew: is it the same database?"


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("whole", [True, False])
def test_a_statement_that_took_too_long_costs_no_progress(
    store: str, only_postgresql: psycopg.Connection, sql: Sql, user_id: int, *, whole: bool
) -> None:
    limits = postgres_limits(connect_s=1, statement_ms=100)
    engine = create_engine(store, connect_args=limits, pool_size=1, max_overflow=0)
    pulse = Interrupted(engine, page_size=3)
    if not whole:
        assert pulse.beat()
    sids = insert_sessions(sql, user_id, 8, clock.now())
    end_each(sql, sids)
    sql.close()
    pulse.pages = 0
    pulse.meanwhile = lambda: only_postgresql.execute("LOCK TABLE sessions") and None
    with only_postgresql.transaction():
        assert not pulse.beat()
        assert pulse.pages == 1
    with listened(engine) as seen:
        assert pulse.beat()
    assert set(reasons(pulse, sids)) == {"idle"}
    read = sum("string_agg" in statement for statement in seen)
    assert read == 2, "three pages in all: the first one was not read again"
    engine.dispose()


def test_pages_become_smaller_after_a_statement_that_took_too_long_and_grow_again() -> None:
    reader = Reader(LARGEST)
    assert reader.fail(too_slow())
    assert reader._size == LARGEST // 2
    for _ in range(20):
        assert reader.fail(too_slow())
    assert reader._size == SMALLEST


def too_slow() -> OperationalError:
    return OperationalError("SELECT", {}, psycopg.errors.QueryCanceled())
