"""Ending sessions: change numbers that commit in order, short batches, one event for each."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.audit.events import Event, Outcome
from carelink_api.audit.models import AuditEvent
from carelink_api.database import writing
from carelink_api.extensions import db
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.ending import MAX_BATCH, end_sessions, publish
from carelink_api.sessions.models import ChangeCounter, Session
from carelink_api.sessions.pulse import Pulse, pulse_engine
from carelink_api.sessions.reasons import EndReason
from carelink_api.sessions.revoking import Batch, Selection, count_selected, revoke
from carelink_api.sessions.starting import Device, Shift, start_session
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.processes import wait_for
from tests.servers import ValkeyServer
from tests.sessions.helpers import (
    end_elsewhere,
    insert_sessions,
    parts,
    row_of,
    somebody_waits_for_a_lock,
)

EVERYONE = Selection(everyone=True)


@pytest.fixture
def user_id(auth: Auth) -> int:
    return auth.create_user().id


def events(sql: Sql, *sids: str) -> Sequence[AuditEvent]:
    """Return the events of sessions, oldest first, logins apart."""
    sql.rollback()
    return sql.scalars(
        select(AuditEvent)
        .where(AuditEvent.sid.in_(sids), AuditEvent.event != Event.LOGIN_SUCCEEDED)
        .order_by(AuditEvent.id)
    ).all()


def revoke_all(app: Flask, selection: Selection = EVERYONE) -> list[Batch]:
    """Revoke as operations do, through a worker that reaches Redis."""
    with app.app_context():
        done = revoke(db.session(), selection, "a test", now=clock.now(), actor="cli")
        return list(done)


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
    pulse = Pulse(pulse_engine(store))

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
    engine, pulse = sql.get_bind(), Pulse(pulse_engine(store))
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


def test_operations_revoke_in_batches_of_at_most_a_thousand(
    app: Flask, make_app: MakeApp, sql: Sql, user_id: int
) -> None:
    elsewhere = parts(make_app()).pulse
    assert elsewhere.beat()
    sids = insert_sessions(sql, user_id, 2500, clock.now())
    assert revoke_all(app) == [Batch(1000, True), Batch(1000, True), Batch(500, True)]
    assert MAX_BATCH == 1000
    numbers = Counter(sql.scalars(select(Session.change_number)))
    assert sorted(numbers.items()) == [(1, 1000), (2, 1000), (3, 500)]
    assert Counter(one.sid for one in events(sql, *sids)) == dict.fromkeys(sids, 1)
    assert elsewhere.beat()
    assert {elsewhere.find(sid, clock.now()) for sid in sids} == {"revoked"}
    assert set(parts(app).denylist.keys()) == {f"carelink:revoked:{{{sid}}}" for sid in sids}


def test_between_two_batches_nothing_is_locked(app: Flask, sql: Sql, user_id: int) -> None:
    insert_sessions(sql, user_id, MAX_BATCH + 1, clock.now())
    with app.app_context():
        going_on = revoke(db.session(), EVERYONE, "a test", now=clock.now(), actor="cli")
        assert next(going_on).ended == MAX_BATCH
        with writing(sql):
            assert take_change_number(sql) == 2
        assert [batch.ended for batch in going_on] == [1]


def test_what_was_interrupted_can_be_taken_up_again(app: Flask, sql: Sql, user_id: int) -> None:
    insert_sessions(sql, user_id, MAX_BATCH + 7, clock.now())
    with app.app_context():
        begun = revoke(db.session(), EVERYONE, "a test", now=clock.now(), actor="cli")
        next(begun)
        begun.close()
    assert count_selected(sql, EVERYONE, now=clock.now()) == 7
    sql.rollback()
    assert [batch.ended for batch in revoke_all(app)] == [7]
    assert revoke_all(app) == []


def test_operations_can_choose_whose_sessions_end(app: Flask, auth: Auth, sql: Sql) -> None:
    users = [
        auth.create_user("a@ward.example", "nurse", unit="ICU"),
        auth.create_user("b@ward.example", "nurse"),
        auth.create_user("c@ward.example", "doctor", unit="ICU"),
        auth.create_user("d@ward.example", "doctor"),
    ]
    now = clock.now()
    sids = [insert_sessions(sql, user.id, 1, now)[0] for user in users]

    def ended() -> list[bool]:
        return [row_of(sql, sid).ended_at is not None for sid in sids]

    revoke_all(app, Selection(email="b@ward.example"))
    assert ended() == [False, True, False, False]
    revoke_all(app, Selection(sid=sids[3]))
    assert ended() == [False, True, False, True]
    revoke_all(app, Selection(user_type="doctor"))
    assert ended() == [False, True, True, True]
    revoke_all(app, Selection(unit="ICU"))
    assert ended() == [True, True, True, True]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_event_of_a_revocation_tells_why_and_no_address(
    app: Flask, sql: Sql, auth: Auth
) -> None:
    user = auth.create_user()
    (sid,) = insert_sessions(sql, user.id, 1, clock.now())
    revoke_all(app, Selection(email=user.email))
    (told,) = events(sql, sid)
    assert (told.event, told.actor, told.reason) == (Event.SESSION_REVOKED, "cli", "revoked")
    assert told.detail == {"why": "a test", "scope": "user"}


@pytest.mark.parametrize("choice", [{}, {"sid": "a" * 22, "everyone": True}])
def test_a_selection_names_exactly_one_thing(choice: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="choose one"):
        Selection(**choice)  # type: ignore[arg-type]


def test_expired_sessions_are_not_revoked_again(app: Flask, sql: Sql, user_id: int) -> None:
    insert_sessions(sql, user_id, 2, clock.now() - timedelta(hours=12))
    assert revoke_all(app) == []


@pytest.mark.settings(max_sessions_per_user=2)
def test_one_login_too_many_ends_the_session_that_was_inactive_longest(
    auth: Auth, sql: Sql, travel: Travel
) -> None:
    auth.create_user()
    first, second = auth.tokens(), auth.tokens()
    travel(120)
    assert auth.get("/api/auth/sessions/", first["access"]).status_code == 200
    activity = parts(auth.app).activity
    assert activity.flush(clock.wall())
    third = auth.tokens()
    assert auth.me(first["access"]).status_code == 200
    assert auth.me(third["access"]).status_code == 200
    refused = auth.me(second["access"])
    assert (refused.status_code, refused.get_json()["reason"]) == (401, "revoked")
    assert row_of(sql, second["session"]["id"]).end_reason == EndReason.SESSION_CAP
    (told,) = events(sql, second["session"]["id"])
    assert (told.event, told.reason) == (Event.SESSION_REVOKED, "session_cap")


@pytest.mark.settings(max_sessions_per_user=3)
def test_the_cap_counts_live_sessions_of_this_user_only(auth: Auth, sql: Sql) -> None:
    user, other = auth.create_user(), auth.create_user("other@ward.example")
    now = clock.now()
    insert_sessions(sql, user.id, 3, now - timedelta(hours=12))  # expired
    end_elsewhere(sql, insert_sessions(sql, user.id, 3, now), now)
    insert_sessions(sql, other.id, 3, now)
    for _ in range(3):
        auth.tokens()
    sql.rollback()
    capped = select(func.count()).where(Session.end_reason == EndReason.SESSION_CAP)
    assert sql.scalar(capped) == 0


@pytest.mark.settings(max_sessions_per_user=2)
def test_a_lowered_cap_ends_all_that_are_too_many(auth: Auth, sql: Sql) -> None:
    sids = insert_sessions(sql, auth.create_user().id, 5, clock.now() - timedelta(minutes=1))
    auth.tokens()
    assert sum(row_of(sql, sid).ended_at is None for sid in sids) == 1


def test_a_shift_caps_the_session_and_every_token_of_it(app: Flask, sql: Sql, auth: Auth) -> None:
    user = sql.get_one(User, auth.create_user().id)
    now = clock.now()
    shift = Shift(7, now + timedelta(minutes=10))
    with writing(sql):
        grant, capped = start_session(
            sql, user, parts(app).settings, Device(None, None), now=now, shift=shift
        )
    assert capped == []
    assert grant.session.expires_at == grant.access_expires.at == shift.ends_at
    assert not grant.access_expires.capped_by_idle
    row = row_of(sql, grant.session.id)
    assert (row.shift_id, row.shift_ends_at, row.latest_expires_at) == (
        7,
        shift.ends_at,
        shift.ends_at,
    )
