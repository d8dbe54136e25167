"""Ending sessions: change numbers that commit in order, short batches, one event for each."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.events import Event, Outcome
from carelink_api.database import background_engine, writing
from carelink_api.sessions.ending import end_sessions, publish
from carelink_api.sessions.models import ChangeCounter, Session
from carelink_api.sessions.pulse import Pulse
from carelink_api.sessions.reasons import EndReason
from tests.conftest import MakeApp
from tests.processes import wait_for
from tests.servers import ValkeyServer
from tests.sessions.helpers import (
    end_elsewhere,
    events,
    insert_sessions,
    parts,
    row_of,
    somebody_waits_for_a_lock,
)


def test_an_ended_session_says_when_why_and_under_which_number(sql: Sql, user_id: int) -> None:
    sid, other = insert_sessions(sql, user_id, 2, clock.now())
    now = clock.now()
    (entry,) = end_elsewhere(sql, [sid], now, EndReason.IDLE)
    row = row_of(sql, sid)
    assert (row.ended_at, row.refuse_from, row.end_reason) == (now, now, "idle")
    assert row.change_number == 1
    assert (entry.sid, entry.reason, entry.at, entry.jti) == (sid, "idle", now, None)
    assert entry.until == row.latest_expires_at
    assert row_of(sql, other).ended_at is None


def test_a_session_ends_once(sql: Sql, user_id: int) -> None:
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    end_elsewhere(sql, [sid], clock.now(), EndReason.IDLE)
    before = row_of(sql, sid)
    assert end_elsewhere(sql, [sid], clock.now(), EndReason.REVOKED) == []
    after = row_of(sql, sid)
    assert (after.ended_at, after.end_reason) == (before.ended_at, "idle")
    assert after.change_number == before.change_number
    assert [one.event for one in events(sql, sid)] == [Event.SESSION_EXPIRED]


@pytest.mark.parametrize(
    ("reason", "event", "outcome"),
    [
        (EndReason.LOGGED_OUT, Event.SESSION_LOGGED_OUT, Outcome.SUCCESS),
        (EndReason.REVOKED, Event.SESSION_REVOKED, Outcome.SUCCESS),
        (EndReason.PASSWORD_CHANGED, Event.SESSION_REVOKED, Outcome.SUCCESS),
        (EndReason.SESSION_CAP, Event.SESSION_REVOKED, Outcome.SUCCESS),
        (EndReason.USER_DISABLED, Event.SESSION_REVOKED, Outcome.SUCCESS),
        (EndReason.REUSED, Event.SESSION_REUSED, Outcome.ALERT),
        (EndReason.SESSION_EXPIRED, Event.SESSION_EXPIRED, Outcome.SUCCESS),
        (EndReason.IDLE, Event.SESSION_EXPIRED, Outcome.SUCCESS),
        (EndReason.SHIFT_ENDED, Event.SESSION_EXPIRED, Outcome.SUCCESS),
    ],
)
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_every_reason_has_its_event(
    sql: Sql, user_id: int, reason: EndReason, event: Event, outcome: Outcome
) -> None:
    sids = insert_sessions(sql, user_id, 2, clock.now())
    end_elsewhere(sql, sids, clock.now(), reason)
    told = events(sql, *sids)
    assert {one.sid for one in told} == set(sids)
    assert {(one.event, one.outcome, one.reason) for one in told} == {(event, outcome, reason)}
    assert {(one.user_id, one.actor) for one in told} == {(user_id, "cli")}


def test_an_ending_that_is_rolled_back_leaves_nothing(sql: Sql, user_id: int) -> None:
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    with pytest.raises(ZeroDivisionError):
        end_and_fail(sql, sid)
    assert row_of(sql, sid).ended_at is None
    assert events(sql, sid) == []
    assert sql.scalar(select(ChangeCounter.value)) == 0


def end_and_fail(sql: Sql, sid: str) -> None:
    with writing(sql):
        end_sessions(sql, Session.id == sid, reason=EndReason.IDLE, now=clock.now(), actor=None)
        raise ZeroDivisionError


def test_publishing_tells_redis_and_this_worker(app: Flask, sql: Sql, user_id: int) -> None:
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    entries = end_elsewhere(sql, [sid], clock.now(), EndReason.IDLE)
    with app.app_context():
        assert publish(entries)
        assert publish([])
    assert parts(app).pulse.find(sid, clock.now()) == "idle"
    assert parts(app).denylist.find(sid, "0123456789abcdef") == "idle"


def test_publishing_without_redis_is_pending_and_holds_in_this_worker(
    make_app: MakeApp, sql: Sql, user_id: int, fragile: ValkeyServer
) -> None:
    app = make_app(redis_url=fragile.url)
    (sid,) = insert_sessions(sql, user_id, 1, clock.now())
    fragile.stop()
    with app.app_context():
        assert not publish(end_elsewhere(sql, [sid], clock.now()))
    assert parts(app).pulse.find(sid, clock.now()) == "revoked"


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_later_number_waits_until_the_earlier_one_is_committed(
    sql: Sql, user_id: int, store: str, only_postgresql: psycopg.Connection
) -> None:
    first, second = insert_sessions(sql, user_id, 2, clock.now())
    engine = sql.get_bind()
    assert isinstance(engine, Engine)
    pulse = Pulse(background_engine(store))

    def end_second() -> None:
        with Sql(engine) as other:
            end_elsewhere(other, [second], clock.now())

    later = threading.Thread(target=end_second)
    with writing(sql):
        end_sessions(sql, Session.id == first, reason=EndReason.IDLE, now=clock.now(), actor=None)
        later.start()
        wait_for(somebody_waits_for_a_lock(only_postgresql), "the later ending")
        assert pulse.beat()
        assert pulse.size == 0, "neither is committed"
    later.join()
    assert (row_of(sql, first).change_number, row_of(sql, second).change_number) == (1, 2)
    assert pulse.beat()
    assert pulse.size == 2
    pulse.close()


def test_a_pulse_misses_nothing_while_many_end_sessions_at_once(
    sql: Sql, user_id: int, store: str
) -> None:
    sids = insert_sessions(sql, user_id, 60, clock.now())
    engine, pulse = sql.get_bind(), Pulse(background_engine(store))
    assert isinstance(engine, Engine)

    def end_one(sid: str) -> None:
        with Sql(engine) as other:
            end_elsewhere(other, [sid], clock.now(), EndReason.IDLE)

    assert pulse.beat()
    with ThreadPoolExecutor(4) as pool:
        endings = [pool.submit(end_one, sid) for sid in sids]
        while not all(ending.done() for ending in endings):
            assert pulse.beat()
    assert [ending.exception() for ending in endings] == [None] * 60
    assert pulse.beat()
    assert {pulse.find(sid, clock.now()) for sid in sids} == {"idle"}
    numbers = sql.scalars(select(Session.change_number)).all()
    assert sorted(number or 0 for number in numbers) == list(range(1, 61))
    pulse.close()
