"""Activity and receipts: noted in memory, written in batches, only ever raised."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import psycopg
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.database import background_engine, from_epoch
from carelink_api.sessions.activity import WRITE_EVERY_SECONDS, ActivityLog, ActivityThread
from carelink_api.sessions.grants import new_sid
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import Travel
from tests.processes import wait_for
from tests.sessions.helpers import BreakSql, insert_sessions, let_go, row_of, statements

MINUTE = timedelta(minutes=1)


@pytest.fixture
def log(engine: Engine) -> ActivityLog:
    return ActivityLog(engine)


@pytest.fixture
def start() -> float:
    """Now, in epoch seconds."""
    return clock.wall()


@pytest.fixture
def sids(auth: Auth, sql: Sql, start: float) -> list[str]:
    """Three sessions, last active five minutes ago."""
    return insert_sessions(sql, auth.create_user().id, 3, from_epoch(start) - 5 * MINUTE)


def active_at(sql: Sql, sid: str) -> datetime:
    return row_of(sql, sid).last_active_at


def test_the_first_call_is_written_at_once(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=True)
    assert log.wanted.is_set()
    assert log.flush(start)
    row = row_of(sql, sids[0])
    assert (row.used_generation, row.last_active_at) == (1, from_epoch(start))
    assert row_of(sql, sids[1]).used_generation == 0


def test_further_calls_are_written_when_the_minute_is_over(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=True)
    log.flush(start)
    log.wanted.clear()
    log.note(sids[0], 1, start + 20, active=True)
    log.note(sids[0], 1, start + 40, active=True)
    assert not log.wanted.is_set()
    assert log.flush(start + WRITE_EVERY_SECONDS - 0.1)
    assert active_at(sql, sids[0]) == from_epoch(start)
    assert log.flush(start + WRITE_EVERY_SECONDS)
    assert active_at(sql, sids[0]) == from_epoch(start + 40)


def test_a_call_a_minute_after_the_last_writing_is_written_at_once(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=True)
    log.flush(start)
    log.wanted.clear()
    log.note(sids[0], 1, start + WRITE_EVERY_SECONDS, active=True)
    assert log.wanted.is_set()


def test_a_new_generation_is_written_at_once(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=True)
    log.flush(start)
    log.wanted.clear()
    log.note(sids[0], 2, start + 1, active=False)
    assert log.wanted.is_set()
    log.flush(start + 1)
    row = row_of(sql, sids[0])
    assert (row.used_generation, row.last_active_at) == (2, from_epoch(start))


def test_on_the_way_out_everything_is_written(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=True)
    log.flush(start)
    log.note(sids[0], 1, start + 5, active=True)
    log.flush(start + 5, everything=True)
    assert active_at(sql, sids[0]) == from_epoch(start + 5)


def test_values_are_only_ever_raised(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 7, start, active=True)
    log.flush(start)
    for other in (ActivityLog(log._engine), log):
        other.note(sids[0], 3, start - 120, active=True)
        assert other.flush(start, everything=True)
    row = row_of(sql, sids[0])
    assert (row.used_generation, row.last_active_at) == (7, from_epoch(start))


def test_notes_that_arrive_out_of_order_are_merged(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 4, start + 2, active=False)
    log.note(sids[0], 3, start + 1, active=True)
    log.flush(start + 2)
    row = row_of(sql, sids[0])
    assert (row.used_generation, row.last_active_at) == (4, from_epoch(start + 1))


def test_a_background_call_leaves_a_receipt_and_is_no_activity(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=False)
    log.flush(start)
    row = row_of(sql, sids[0])
    assert (row.used_generation, row.last_active_at) == (1, from_epoch(start) - 5 * MINUTE)


def test_background_calls_of_a_used_generation_are_not_written_again(
    log: ActivityLog, engine: Engine, sids: list[str], start: float
) -> None:
    log.note(sids[0], 1, start, active=False)
    log.flush(start)
    log.note(sids[0], 1, start + 120, active=False)
    with statements(engine) as seen:
        log.flush(start + 120, everything=True)
    assert seen == []


def test_nothing_noted_asks_no_database(log: ActivityLog, engine: Engine, start: float) -> None:
    with statements(engine) as seen:
        assert log.flush(start)
    assert seen == []


def test_more_sessions_than_a_batch_are_all_written(
    log: ActivityLog, auth: Auth, sql: Sql, start: float
) -> None:
    many = insert_sessions(sql, auth.create_user().id, 1101, from_epoch(start) - MINUTE)
    for sid in reversed(many):
        log.note(sid, 1, start, active=True)
    assert log.flush(start)
    assert set(sql.scalars(select(Session.last_active_at))) == {from_epoch(start)}


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_row_that_somebody_holds_is_written_later(
    log: ActivityLog,
    sql: Sql,
    sids: list[str],
    start: float,
    only_postgresql: psycopg.Connection,
) -> None:
    for sid in sids:
        log.note(sid, 1, start, active=True)
    with only_postgresql.transaction():
        only_postgresql.execute("SELECT 1 FROM sessions WHERE id = %s FOR UPDATE", [sids[1]])
        assert log.flush(start)
        assert [row_of(sql, sid).used_generation for sid in sids] == [1, 0, 1]
    assert log.flush(start + 1)
    assert [active_at(sql, sid) for sid in sids] == [from_epoch(start)] * 3


def test_what_sql_did_not_take_stays_noted(
    log: ActivityLog,
    engine: Engine,
    sql: Sql,
    sids: list[str],
    start: float,
    broken_sql: BreakSql,
) -> None:
    log.note(sids[0], 1, start, active=True)
    let_go(sql)
    with broken_sql(engine):
        assert not log.flush(start)
        log.note(sids[0], 2, start + 1, active=False)
    assert log.flush(start + 2)
    row = row_of(sql, sids[0])
    assert (row.used_generation, row.last_active_at) == (2, from_epoch(start))


def test_rows_are_locked_in_the_order_of_their_sids(
    log: ActivityLog, engine: Engine, sids: list[str], start: float
) -> None:
    for sid in reversed(sids):
        log.note(sid, 1, start, active=True)
    with statements(engine) as seen:
        log.flush(start)
    (lock,) = [one for one in seen if one.startswith("SELECT")]
    assert "ORDER BY sessions.id" in lock


def test_workers_that_write_the_same_rows_do_not_stop_each_other(
    store: str, auth: Auth, sql: Sql, start: float
) -> None:
    many = insert_sessions(sql, auth.create_user().id, 400, from_epoch(start) - MINUTE)
    logs = [ActivityLog(background_engine(store)) for _ in range(3)]
    for number, log in enumerate(logs):
        for sid in many if number % 2 else reversed(many):
            log.note(sid, 1, start + number, active=True)
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda log: log.flush(start + 3), logs))
    for log in logs:
        assert log.flush(start + 3, everything=True)
        log._engine.dispose()
    assert set(sql.scalars(select(Session.last_active_at))) == {from_epoch(start + 2)}


def test_a_session_whose_row_is_gone_is_not_tried_for_ever(
    log: ActivityLog, engine: Engine, sids: list[str], start: float
) -> None:
    log.note(new_sid(), 1, start, active=True)
    assert log.flush(start)
    with statements(engine) as seen:
        assert log.flush(start + 120, everything=True)
    assert seen == []


def test_what_was_written_long_ago_is_forgotten(
    log: ActivityLog, sids: list[str], travel: Travel
) -> None:
    log.note(sids[0], 1, clock.wall(), active=True)
    log.flush(clock.wall())
    travel(301)
    log.flush(clock.wall())
    assert not log._written
    assert not log._written_at


class EndingActivityThread(ActivityThread):
    """A thread that ends with the test, at its next turn."""

    turns = 0
    over = False

    def __init__(self, activity: ActivityLog) -> None:
        super().__init__(activity, self._count)
        self.ended = False

    def _count(self) -> None:
        self.turns += 1
        if self.over:
            raise SystemExit

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):
            super()._run()
        self.ended = True


def test_the_thread_writes_what_is_wanted_and_what_else_there_is(
    log: ActivityLog, sql: Sql, sids: list[str], start: float
) -> None:
    thread = EndingActivityThread(log)
    thread.ensure_running()
    log.note(sids[0], 1, start, active=True)
    wait_for(lambda: row_of(sql, sids[0]).used_generation == 1, "the receipt")
    assert thread.turns > 0
    thread.over = True
    log.wanted.set()
    wait_for(lambda: thread.ended, "the thread")
