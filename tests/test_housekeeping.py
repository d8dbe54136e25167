"""The housekeeper: sessions end on time, and Redis gets what it has missed."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import redis
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.audit.models import AuditEvent
from carelink_api.database import writing
from carelink_api.extensions import db
from carelink_api.housekeeping import RECONCILE_EVERY, Chores, Housekeeper, run
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.denylist import session_key
from carelink_api.sessions.models import Session
from carelink_api.stopping import StopFlag
from tests.auth_helper import Auth
from tests.conftest import MakeApp
from tests.processes import wait_for
from tests.servers import ValkeyServer
from tests.sessions.helpers import insert_sessions, parts

HOUR = timedelta(hours=1)
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


def test_more_sessions_than_a_batch_all_end(keeper: Housekeeper, sql: Sql, user_id: int) -> None:
    now = clock.now()
    insert_sessions(sql, user_id, 2100, now)

    assert tidy(keeper, now + 13 * HOUR).expired == 2100


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
