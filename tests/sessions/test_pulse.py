"""The pulse: what a worker reads from SQL, what it keeps, and how old that is."""

import threading
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.database import writing
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.denylist import Entry
from carelink_api.sessions.ended import BULK
from carelink_api.sessions.models import ChangeCounter, Session
from carelink_api.sessions.pulse import Pulse
from carelink_api.sessions.reasons import EndReason
from tests.conftest import Travel
from tests.processes import wait_for
from tests.sessions.helpers import (
    BreakSql,
    end_elsewhere,
    insert_sessions,
    let_go,
    move_end,
    somebody_waits_for_a_lock,
    statements,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def pulse(engine: Engine, user_id: int) -> Pulse:
    """A pulse that has not beaten yet."""
    return Pulse(engine)


def test_a_pulse_that_never_beat_knows_nothing_and_says_so(pulse: Pulse) -> None:
    assert not pulse.has_read
    assert pulse.age_seconds() == float("inf")
    assert not pulse.is_fresh()


def test_the_first_beat_reads_the_list_whole(pulse: Pulse, sql: Sql, user_id: int) -> None:
    sid, other = insert_sessions(sql, user_id, 2, clock.now())
    end_elsewhere(sql, [sid], clock.now(), EndReason.IDLE)
    assert pulse.beat()
    assert pulse.has_read
    assert pulse.is_fresh()
    assert pulse.find(sid, clock.now()) == "idle"
    assert pulse.find(other, clock.now()) is None


def test_what_is_read_is_learned_after_its_transaction(
    engine: Engine, sql: Sql, user_id: int
) -> None:
    """A million take longer than a transaction may stand idle."""
    held: list[str] = []

    class Watched(Pulse):
        def _take(self, *args: Any) -> None:
            held.append(engine.pool.status())
            super()._take(*args)

    pulse = Watched(engine)
    assert pulse.beat()
    end_elsewhere(sql, insert_sessions(sql, user_id, 1, clock.now()), clock.now(), EndReason.IDLE)
    assert pulse.beat()
    assert len(held) == 2
    assert all("Current Checked out connections: 0" in status for status in held)


@pytest.mark.parametrize(
    ("ended_before", "known"), [(timedelta(minutes=64), 1), (timedelta(minutes=66), 0)]
)
def test_the_list_holds_whatever_an_access_token_could_outlive(
    pulse: Pulse, sql: Sql, user_id: int, ended_before: timedelta, known: int
) -> None:
    sids = insert_sessions(sql, user_id, 1, clock.now())
    end_elsewhere(sql, sids, clock.now() - ended_before)
    assert pulse.beat()
    assert pulse.size == known


def test_what_is_old_is_forgotten(pulse: Pulse, sql: Sql, user_id: int, travel: Travel) -> None:
    end_elsewhere(sql, insert_sessions(sql, user_id, 1, clock.now()), clock.now())
    pulse.beat()
    travel(65 * 60 + 1)
    pulse.beat()
    assert pulse.size == 0


def test_later_beats_read_by_change_number(pulse: Pulse, sql: Sql, user_id: int) -> None:
    first, second = insert_sessions(sql, user_id, 2, clock.now())
    end_elsewhere(sql, [first], clock.now())
    pulse.beat()
    refuse_behind_the_counter(sql, second)
    end_elsewhere(sql, insert_sessions(sql, user_id, 1, clock.now()), clock.now())
    assert pulse.beat()
    assert pulse.size == 2
    assert pulse.find(second, clock.now()) is None, "only a whole reading finds that"


def refuse_behind_the_counter(sql: Sql, sid: str) -> None:
    """Refuse a session under a number that every pulse has passed: no real writer does."""
    with writing(sql):
        refused = {"refuse_from": clock.now(), "change_number": 1, "end_reason": "idle"}
        sql.execute(update(Session).where(Session.id == sid).values(**refused))


def test_a_beat_without_news_is_one_statement(pulse: Pulse, engine: Engine) -> None:
    pulse.beat()
    with statements(engine) as seen:
        assert pulse.beat()
    assert len(seen) == 1


def test_an_end_ahead_is_known_and_can_be_withdrawn(
    pulse: Pulse, sql: Sql, user_id: int, travel: Travel
) -> None:
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    pulse.beat()
    move_end(sql, sid, clock.now() + HOUR)
    pulse.beat()
    assert pulse.find(sid, clock.now()) is None
    assert pulse.find(sid, clock.now() + 2 * HOUR) == "shift_ended"
    move_end(sql, sid, None)
    pulse.beat()
    travel(7200)
    assert pulse.find(sid, clock.now()) is None


def test_what_this_worker_ends_it_knows_at_once(pulse: Pulse) -> None:
    now = clock.now()
    pulse.remember([Entry("a" * 22, EndReason.LOGGED_OUT, now, now + HOUR)])
    assert pulse.find("a" * 22, now) == "revoked"


def test_a_revoked_token_is_no_ended_session(pulse: Pulse) -> None:
    now = clock.now()
    pulse.remember([Entry("a" * 22, "rotated", now, now + HOUR, "0123456789abcdef")])
    assert pulse.find("a" * 22, now) is None


def test_the_memory_outlives_an_error(
    pulse: Pulse, engine: Engine, sql: Sql, user_id: int, broken_sql: BreakSql
) -> None:
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    end_elsewhere(sql, [sid], clock.now())
    let_go(sql)
    pulse.beat()
    with broken_sql(engine):
        assert not pulse.beat()
        assert pulse.find(sid, clock.now()) == "revoked"


def test_after_an_error_the_list_is_read_whole(
    pulse: Pulse, engine: Engine, sql: Sql, user_id: int, broken_sql: BreakSql
) -> None:
    first, second = insert_sessions(sql, user_id, 2, clock.now())
    end_elsewhere(sql, [first], clock.now())
    pulse.beat()
    refuse_behind_the_counter(sql, second)
    let_go(sql)
    with broken_sql(engine):
        assert not pulse.beat()
    assert pulse.beat()
    assert pulse.find(second, clock.now()) == "idle"


def test_an_error_makes_no_list_fresh(pulse: Pulse, engine: Engine, broken_sql: BreakSql) -> None:
    with broken_sql(engine):
        assert not pulse.beat()
    assert not pulse.has_read
    assert not pulse.is_fresh()


def test_a_database_restored_from_a_backup_revives_nobody(
    pulse: Pulse, sql: Sql, user_id: int
) -> None:
    kept, lost, many, later = (
        insert_sessions(sql, user_id, count, clock.now()) for count in (1, 1, BULK + 1, 1)
    )
    end_elsewhere(sql, kept, clock.now())
    for sids in (lost, many):
        end_elsewhere(sql, sids, clock.now())
    pulse.beat()
    restore(sql, [*lost, *many], number=1)
    assert pulse.beat()
    now = clock.now()
    assert {pulse.find(sid, now) for sid in [*kept, *lost, *many]} == {"revoked"}
    end_elsewhere(sql, later, now)  # under a number that was seen before the restoration
    assert pulse.beat()
    assert pulse.find(later[0], clock.now()) == "revoked"


def test_what_ends_between_a_restoration_and_the_next_beat_is_found(
    pulse: Pulse, sql: Sql, user_id: int
) -> None:
    sids = insert_sessions(sql, user_id, 4, clock.now())
    for sid in sids[:3]:
        end_elsewhere(sql, [sid], clock.now())
    pulse.beat()
    restore(sql, sids[:3], number=0)
    end_elsewhere(sql, sids[3:], clock.now())  # number 1: three were seen
    assert pulse.beat()
    assert {pulse.find(sid, clock.now()) for sid in sids} == {"revoked"}


def restore(sql: Sql, sids: list[str], number: int) -> None:
    """Take the endings of `sids` back, and the counter, as an older backup would."""
    gone = {"ended_at": None, "end_reason": None, "refuse_from": None, "change_number": None}
    with writing(sql):
        sql.execute(update(Session).where(Session.id.in_(sids)).values(**gone))
        sql.execute(update(ChangeCounter).values(value=number))


def test_the_age_grows_with_the_wall_clock(pulse: Pulse, travel: Travel) -> None:
    begun = time.time()
    pulse.beat()
    assert pulse.age_seconds() <= time.time() - begun
    travel(5)
    assert 5 <= pulse.age_seconds() <= time.time() - begun
    assert not pulse.is_fresh()


def test_the_age_grows_with_the_monotonic_clock_where_the_wall_clock_was_set_back(
    pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse.beat()
    monotonic, wall = clock.monotonic(), clock.wall()
    monkeypatch.setattr(clock, "monotonic", lambda: monotonic + 5)
    monkeypatch.setattr(clock, "wall", lambda: wall - 3600)
    assert pulse.age_seconds() >= 5


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_the_age_counts_from_the_start_of_a_read(
    pulse: Pulse, only_postgresql: psycopg.Connection, travel: Travel
) -> None:
    assert pulse.beat()
    begun = time.time()
    beat = threading.Thread(target=pulse.beat)
    with only_postgresql.transaction():
        only_postgresql.execute("LOCK TABLE change_counter IN ACCESS EXCLUSIVE MODE")
        beat.start()
        wait_for(somebody_waits_for_a_lock(only_postgresql), "the pulse's read")
        travel(5)
    beat.join()
    assert 5 <= pulse.age_seconds() <= time.time() - begun


def test_up_to_a_hundred_ends_in_one_change_keep_their_reason(
    pulse: Pulse, sql: Sql, user_id: int
) -> None:
    sids = insert_sessions(sql, user_id, BULK, clock.now())
    end_elsewhere(sql, sids, clock.now(), EndReason.USER_DISABLED)
    pulse.beat()
    assert {pulse.find(sid, clock.now()) for sid in sids} == {"user_disabled"}


@pytest.mark.parametrize("whole", [True, False])
def test_more_than_a_hundred_are_packed(
    pulse: Pulse, sql: Sql, user_id: int, *, whole: bool
) -> None:
    if not whole:
        pulse.beat()
    sids = insert_sessions(sql, user_id, BULK + 1, clock.now())
    end_elsewhere(sql, sids, clock.now(), EndReason.USER_DISABLED)
    pulse.beat()
    assert pulse.size == BULK + 1
    assert {pulse.find(sid, clock.now()) for sid in sids} == {"user_disabled"}
    assert not pulse._ended._single


def test_many_ends_ahead_are_not_packed(pulse: Pulse, sql: Sql, user_id: int) -> None:
    sids = insert_sessions(sql, user_id, BULK + 1, clock.now())
    with writing(sql):
        moved = {"refuse_from": clock.now() + HOUR, "change_number": take_change_number(sql)}
        sql.execute(update(Session).where(Session.id.in_(sids)).values(**moved))
    pulse.beat()
    assert {pulse.find(sid, clock.now()) for sid in sids} == {None}
    assert {pulse.find(sid, clock.now() + HOUR) for sid in sids} == {"shift_ended"}
