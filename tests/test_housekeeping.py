"""The housekeeper: sessions end on time, and Redis gets what it has missed."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import redis
import time_machine
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.audit.models import AuditBlock, AuditEvent
from carelink_api.database import writing
from carelink_api.extensions import db, settings
from carelink_api.housekeeping.keeper import Chores, Housekeeper
from carelink_api.housekeeping.ledger import oldest_unpublished, read_late
from carelink_api.housekeeping.models import ChoreRow
from carelink_api.housekeeping.running import run
from carelink_api.housekeeping.schedule import LEASE, Chore, intervals
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.denylist import session_key
from carelink_api.sessions.models import Session
from carelink_api.stopping import StopFlag
from tests.audit.trail import verified_just_now
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.engines import clock_that_stays
from tests.processes import wait_for
from tests.servers import ValkeyServer
from tests.sessions.helpers import insert_sessions, parts

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RECONCILE_EVERY = intervals(seal=HOUR, sign=HOUR)[Chore.COMPARE]
_RENAME_AWAY = text("ALTER TABLE change_counter RENAME TO change_counter_away")
_RENAME_BACK = text("ALTER TABLE change_counter_away RENAME TO change_counter")


@pytest.fixture
def keeper(app: Flask) -> Iterator[Housekeeper]:
    with app.app_context():
        yield Housekeeper(parts(app))


@pytest.fixture
def user_id(auth: Auth) -> int:
    return auth.create_user().id


def tidy(keeper: Housekeeper, at: datetime | None = None) -> Chores:
    return keeper.round(db.session(), at or clock.now())


def ending(sql: Sql, sid: str) -> tuple[str | None, bool]:
    """Return the reason for which a session has ended, and whether it has."""
    sql.rollback()
    row = sql.get_one(Session, sid)
    return row.end_reason, row.ended_at is not None


def events_of(sql: Sql, sid: str) -> list[tuple[str, str | None, str | None]]:
    query = select(AuditEvent.event, AuditEvent.reason, AuditEvent.actor)
    rows = sql.execute(query.where(AuditEvent.sid == sid).order_by(AuditEvent.id))
    return [(row.event, row.reason, row.actor) for row in rows]


def write_event(sql: Sql) -> None:
    told = {"recorded_at": clock.now(), "event": "patient:read", "outcome": "success"}
    sql.execute(insert(AuditEvent).values(told))
    sql.commit()


def late(sql: Sql, at: datetime) -> set[Chore]:
    sql.rollback()
    return set(read_late(sql, settings(), at))


def listed(client: redis.Redis, sid: str) -> bool:
    return bool(client.exists(session_key(sid)))


def test_a_session_expires_at_its_end_with_one_event(
    keeper: Housekeeper, sql: Sql, user_id: int
) -> None:
    now = clock.now()
    [sid] = insert_sessions(sql, user_id, 1, now)
    end = now + timedelta(hours=12)

    assert tidy(keeper, end - timedelta(seconds=1)).expired == 0
    assert ending(sql, sid) == (None, False)
    assert tidy(keeper, end).expired == 1
    assert ending(sql, sid) == ("session_expired", True)
    assert tidy(keeper, end + HOUR).expired == 0
    assert events_of(sql, sid) == [("session:expired", "session_expired", "housekeeper")]


def test_an_idle_session_ends_at_its_deadline_and_not_before(
    keeper: Housekeeper, sql: Sql, user_id: int
) -> None:
    now = clock.now()
    [sid] = insert_sessions(sql, user_id, 1, now, profile="high_security")
    deadline = now + timedelta(seconds=900 + 60)

    assert tidy(keeper, deadline).expired == 0
    assert tidy(keeper, deadline + timedelta(seconds=1)).expired == 1
    assert ending(sql, sid) == ("idle", True)


def test_where_idle_is_off_nobody_ends_by_it(keeper: Housekeeper, sql: Sql, user_id: int) -> None:
    now = clock.now()
    [sid] = insert_sessions(sql, user_id, 1, now)

    assert tidy(keeper, now + 11 * HOUR).expired == 0
    assert ending(sql, sid) == (None, False)


def test_a_shift_that_is_over_ends_its_session_as_such(
    keeper: Housekeeper, sql: Sql, user_id: int
) -> None:
    now = clock.now()
    over = now + 2 * HOUR
    ends = {"shift_id": 7, "shift_ends_at": over, "expires_at": over}
    [sid] = insert_sessions(sql, user_id, 1, now, **ends)

    assert tidy(keeper, over).expired == 1
    assert ending(sql, sid) == ("shift_ended", True)


def test_many_sessions_end_in_pieces_and_who_is_to_be_published_waits_for_one_piece_only(
    keeper: Housekeeper, auth: Auth, sql: Sql, user_id: int, redis_client: redis.Redis
) -> None:
    now = clock.now()
    tidy(keeper, now)
    insert_sessions(sql, user_id, 3100, now - 13 * HOUR)
    pair = auth.tokens()
    auth.logout(refresh=pair["refresh"])
    redis_client.flushall()

    now = clock.now()
    first = tidy(keeper, now)
    assert (first.expired, first.more) == (3000, True)
    assert listed(redis_client, pair["session"]["id"])
    assert Chore.EXPIRE in late(sql, now + 3 * MINUTE)
    second = tidy(keeper, now + 3 * MINUTE)
    assert (second.expired, second.more) == (100, False)
    assert Chore.EXPIRE not in late(sql, now + 3 * MINUTE)


def test_a_comparison_goes_on_from_round_to_round(
    keeper: Housekeeper, sql: Sql, user_id: int, redis_client: redis.Redis
) -> None:
    now = clock.now()
    over = {"ended_at": now, "refuse_from": now, "change_number": 1, "end_reason": "revoked"}
    insert_sessions(sql, user_id, 20_500, now, **over)

    assert tidy(keeper, now).more
    assert redis_client.dbsize() == 20_000
    assert oldest_unpublished(sql, now) is None  # nobody has said how far they are
    assert not tidy(keeper, now).more
    assert redis_client.dbsize() == 20_500


def test_of_two_housekeepers_one_does_what_costs_twice_and_the_other_takes_over(
    app: Flask, sql: Sql, keeper: Housekeeper
) -> None:
    other, now = Housekeeper(parts(app)), clock.now()
    verified_just_now(sql)
    write_event(sql)
    assert (tidy(keeper, now).sealed, tidy(other, now + SECOND).sealed) == (1, 0)
    write_event(sql)
    assert (tidy(other, now + 11 * SECOND).sealed, tidy(keeper, now + 11 * SECOND).sealed) == (1, 0)
    write_event(sql)
    sql.execute(  # it died in the middle of sealing
        update(ChoreRow)
        .where(ChoreRow.name == Chore.SEAL)
        .values(held_by="somebody", started_at=now + 22 * SECOND)
    )
    sql.commit()
    assert tidy(keeper, now + 22 * SECOND + LEASE - SECOND).sealed == 0
    assert tidy(keeper, now + 22 * SECOND + LEASE).sealed == 1


def test_who_writes_the_table_of_chores_keeps_nobody_from_them_for_long(
    sql: Sql, keeper: Housekeeper
) -> None:
    now = clock.now()
    tidy(keeper, now)
    tidy(keeper, now + 11 * SECOND)  # that it verified the trail, too
    write_event(sql)
    ahead = {"held_by": None, "started_at": now + 24 * HOUR, "succeeded_at": now + 24 * HOUR}
    sql.execute(update(ChoreRow).values(**ahead))  # a clock that was a day ahead
    sql.commit()
    assert late(sql, now) == set(Chore) - {Chore.SHIP}
    assert tidy(keeper, now + 22 * SECOND).sealed == 1
    assert Chore.SEAL not in late(sql, now + 22 * SECOND)


def test_one_chore_that_fails_keeps_the_others_from_nothing(
    sql: Sql, keeper: Housekeeper, user_id: int
) -> None:
    now = clock.now()
    tidy(keeper, now)
    [sid] = insert_sessions(sql, user_id, 1, now - 13 * HOUR)
    sql.execute(text("ALTER TABLE audit_blocks RENAME TO audit_blocks_away"))
    sql.commit()
    try:
        with pytest.raises(SQLAlchemyError), capture_logs() as said:
            tidy(keeper, now + 11 * SECOND)
    finally:
        sql.rollback()
        sql.execute(text("ALTER TABLE audit_blocks_away RENAME TO audit_blocks"))
        sql.commit()
    assert ending(sql, sid) == ("session_expired", True)
    assert "seal" in [line.get("chore") for line in said]
    assert (late(sql, now + 125 * SECOND)) == {Chore.SEAL}


def test_a_fault_of_ours_in_one_chore_lets_nobody_s_session_go_on(
    keeper: Housekeeper, app: Flask, sql: Sql, user_id: int
) -> None:
    """It is told with its trace, its chore is late soon, and the housekeeper lives."""

    def broken(*_: object) -> None:
        raise TypeError("what nobody has thought of")

    for chore in (Chore.EXPIRE, Chore.VERIFY, Chore.SEAL):
        keeper._chores[chore] = broken  # type: ignore[assignment]
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    with capture_logs() as logs:
        tidy(keeper)
        del keeper._chores[Chore.EXPIRE]
        keeper._chores[Chore.EXPIRE] = keeper._expire
        done = tidy(keeper, clock.now() + timedelta(hours=13))
    assert done.expired == 1
    assert ending(sql, sid)[0] == "session_expired"
    crashed = [line["chore"] for line in logs if line["event"] == "chore_crashed"]
    assert {"expire", "verify", "seal"} == set(crashed)
    assert late(sql, clock.now() + timedelta(hours=13)) >= {Chore.SEAL}


def test_every_chore_has_its_row(sql: Sql) -> None:
    assert set(sql.scalars(select(ChoreRow.name))) == set(Chore)


def test_how_long_redis_has_missed_something_is_known(
    make_app: MakeApp, auth: Auth, sql: Sql, user_id: int, travel: Travel
) -> None:
    with ValkeyServer() as fragile:
        app = make_app(redis_url=fragile.url)
        with app.app_context():
            keeper = Housekeeper(parts(app))
            assert tidy(keeper).redis_knows
            pair = Auth(app).tokens()
            fragile.stop()
            assert oldest_unpublished(sql, clock.now()) is None
            sql.rollback()
            Auth(app).logout(refresh=pair["refresh"])
            tidy(keeper)
            travel(90)
            waits = oldest_unpublished(sql, clock.now())
            assert waits is not None
            assert 89 < (clock.now() - waits).total_seconds() < 100
            sql.rollback()
            fragile.restart()
            tidy(keeper)
            assert oldest_unpublished(sql, clock.now()) is None


def test_an_idle_end_is_refused_by_redis_too(
    keeper: Housekeeper, sql: Sql, user_id: int, redis_client: redis.Redis
) -> None:
    now = clock.now()
    [sid] = insert_sessions(sql, user_id, 1, now - HOUR, profile="high_security")

    tidy(keeper)

    assert listed(redis_client, sid)


def test_what_redis_has_missed_is_published_once_it_answers(
    make_app: MakeApp, auth: Auth, sql: Sql, user_id: int
) -> None:
    with ValkeyServer() as fragile:
        app = make_app(redis_url=fragile.url)
        with app.app_context():
            keeper = Housekeeper(parts(app))
            assert tidy(keeper).redis_knows
            pair = Auth(app).tokens()
            fragile.stop()
            logout = Auth(app).logout(refresh=pair["refresh"])
            assert (logout.status_code, logout.get_json()["pending"]) == (202, True)
            assert not tidy(keeper).redis_knows
            fragile.restart(empty=True)
            assert tidy(keeper).redis_knows
        with fragile.client() as client:
            assert listed(client, pair["session"]["id"])


def test_a_flushed_redis_is_filled_again_within_five_minutes(
    keeper: Housekeeper, auth: Auth, user_id: int, redis_client: redis.Redis
) -> None:
    pair = auth.tokens()
    auth.logout(refresh=pair["refresh"])
    sid, now = pair["session"]["id"], clock.now()
    tidy(keeper, now)
    redis_client.flushall()

    tidy(keeper, now + RECONCILE_EVERY - timedelta(seconds=1))
    assert not listed(redis_client, sid)
    tidy(keeper, now + RECONCILE_EVERY)
    assert listed(redis_client, sid)


def test_an_end_that_lay_ahead_is_published_when_it_comes_due(
    keeper: Housekeeper, sql: Sql, user_id: int, redis_client: redis.Redis
) -> None:
    now = clock.now()
    [sid] = insert_sessions(sql, user_id, 1, now)
    tidy(keeper, now)
    with writing(sql):
        number = take_change_number(sql)
        due = now + timedelta(minutes=2)
        sql.execute(
            update(Session).where(Session.id == sid).values(refuse_from=due, change_number=number)
        )

    tidy(keeper, now + timedelta(minutes=1))
    assert not listed(redis_client, sid)
    tidy(keeper, due + timedelta(seconds=1))
    assert listed(redis_client, sid)


def test_a_session_that_ended_long_ago_is_forgotten_and_its_events_are_not(
    keeper: Housekeeper, sql: Sql, user_id: int
) -> None:
    now = clock.now()
    [sid] = insert_sessions(sql, user_id, 1, now)
    tidy(keeper, now + 13 * HOUR)
    tidy(keeper, now + 13 * HOUR + timedelta(days=90))
    assert ending(sql, sid)[1]
    tidy(keeper, now + 15 * HOUR + timedelta(days=90))
    sql.rollback()
    assert sql.get(Session, sid) is None
    assert len(events_of(sql, sid)) == 1


def test_two_housekeepers_at_once_end_each_session_once(app: Flask, sql: Sql, user_id: int) -> None:
    now = clock.now()
    sids = insert_sessions(sql, user_id, 300, now)
    expired: list[int] = []

    def clean() -> None:
        with app.app_context():
            expired.append(tidy(Housekeeper(parts(app)), now + 13 * HOUR).expired)

    threads = [threading.Thread(target=clean) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(expired) == 300
    assert all(len(events_of(sql, sid)) == 1 for sid in sids[::30])


def test_the_loop_outlives_a_database_that_does_not_answer(
    app: Flask, sql: Sql, user_id: int
) -> None:
    [sid] = insert_sessions(sql, user_id, 1, clock.now() - 13 * HOUR)
    stopping = StopFlag()

    def loop() -> None:
        with app.app_context():
            run(parts(app), stopping)

    sql.execute(_RENAME_AWAY)
    sql.commit()
    thread = threading.Thread(target=loop)
    with capture_logs() as said:
        try:
            thread.start()
            wait_for(lambda: "housekeeping_failed" in [line["event"] for line in said], "a failure")
        finally:
            sql.execute(_RENAME_BACK)
            sql.commit()
    try:
        wait_for(lambda: ending(sql, sid)[1], "the round after")
    finally:
        stopping.set()
        thread.join()


def test_one_round_by_hand_says_what_it_has_done(
    runner: FlaskCliRunner, sql: Sql, user_id: int
) -> None:
    insert_sessions(sql, user_id, 2, clock.now() - 13 * HOUR)

    result = runner.invoke(args=["housekeep", "--once"])

    assert result.exit_code == 0
    *signed, said = result.stdout.splitlines()
    assert said == "Sessions expired: 2. Audit events sealed: 2."
    assert ["audit_checkpoint" in line for line in signed] == [True]


def test_one_round_by_hand_fails_where_redis_takes_nothing(
    make_app: MakeApp, sql: Sql, user_id: int
) -> None:
    with ValkeyServer() as fragile:
        app = make_app(redis_url=fragile.url)
        pair = Auth(app).tokens()
        Auth(app).logout(refresh=pair["refresh"])
        fragile.stop()
        result = app.test_cli_runner().invoke(args=["housekeep", "--once"])

    assert result.exit_code == 1
    assert "Redis does not take" in result.stderr


POSTGRESQL = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


@POSTGRESQL
@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_while_its_clock_and_the_database_s_are_apart_nothing_ends_by_time(
    ahead: timedelta,
    keeper: Housekeeper,
    sql: Sql,
    user_id: int,
) -> None:
    now = clock.now()
    [over] = insert_sessions(sql, user_id, 1, now, expires_at=now - 2 * HOUR)
    [alive] = insert_sessions(sql, user_id, 1, now, expires_at=now + HOUR / 2)
    with clock_that_stays(), time_machine.travel(now + ahead), capture_logs() as logged:
        for _ in range(2):
            done = tidy(keeper)
            assert (done.expired, done.more) == (0, False)
            assert done.clock_off is not None
            assert abs(done.clock_off - HOUR) < MINUTE
        assert late(sql, clock.now()) >= {Chore.EXPIRE, Chore.PRUNE, Chore.FORGET}
    assert [entry["event"] for entry in logged].count("clock_off") == 1
    assert [ending(sql, sid)[1] for sid in (over, alive)] == [False, False]
    done = tidy(keeper)
    assert (done.expired, done.clock_off) == (1, None)
    assert [ending(sql, sid)[1] for sid in (over, alive)] == [True, False]


@POSTGRESQL
@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_two_housekeepers_whose_clocks_are_apart_take_turns_by_the_database_s(
    ahead: timedelta, app: Flask, keeper: Housekeeper, sql: Sql
) -> None:
    other, now = Housekeeper(parts(app)), clock.now()
    verified_just_now(sql)
    write_event(sql)
    with clock_that_stays():
        with time_machine.travel(now + ahead):
            assert tidy(keeper).sealed == 1
        write_event(sql)
        assert tidy(other).sealed == 0  # it is not its turn: a moment ago the first has sealed
    sealed_at = sql.scalars(select(AuditBlock.sealed_at)).one()
    assert abs(sealed_at - now) < MINUTE
    sql.rollback()
    assert Chore.SEAL not in late(sql, clock.now())


@POSTGRESQL
def test_a_clock_that_is_a_little_off_is_tolerated(
    keeper: Housekeeper, sql: Sql, user_id: int
) -> None:
    insert_sessions(sql, user_id, 1, clock.now(), expires_at=clock.now() - HOUR)
    with clock_that_stays(), time_machine.travel(clock.now() + 2 * SECOND):
        done = tidy(keeper)
    assert (done.expired, done.clock_off) == (1, None)


@POSTGRESQL
def test_an_end_that_lies_ahead_is_not_published_by_a_clock_that_is_ahead(
    keeper: Housekeeper, sql: Sql, user_id: int, redis_client: redis.Redis
) -> None:
    now = clock.now()
    [over] = insert_sessions(sql, user_id, 1, now, refuse_from=now - MINUTE)
    [ahead] = insert_sessions(sql, user_id, 1, now, refuse_from=now + HOUR / 2)
    with writing(sql):
        sql.execute(update(Session).values(change_number=take_change_number(sql)))
    with clock_that_stays(), time_machine.travel(now + HOUR):
        assert tidy(keeper).redis_knows
        assert tidy(keeper).redis_knows
    assert (listed(redis_client, over), listed(redis_client, ahead)) == (True, False)


@POSTGRESQL
def test_one_round_by_hand_fails_where_the_clock_is_off(runner: FlaskCliRunner) -> None:
    with clock_that_stays(), time_machine.travel(clock.now() + HOUR):
        result = runner.invoke(args=["housekeep", "--once"])
    assert result.exit_code == 1
    assert "clock and the database's are 3600 s apart: nothing was ended" in result.output
