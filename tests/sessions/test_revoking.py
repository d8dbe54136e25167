"""Revoking in bulk, and what caps a user's sessions."""

from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.audit.events import Event
from carelink_api.database import writing
from carelink_api.extensions import db
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.models import ChangeCounter, Session
from carelink_api.sessions.reasons import EndReason
from carelink_api.sessions.revoking import BATCH, Batch, Selection, count_selected, revoke
from carelink_api.sessions.starting import Device, start_session
from carelink_api.shifts.rules import Duty
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.sessions.helpers import end_elsewhere, events, insert_sessions, parts, row_of

EVERYONE = Selection(everyone=True)


def revoke_all(app: Flask, selection: Selection = EVERYONE) -> list[Batch]:
    """Revoke as operations do, through a worker that reaches Redis."""
    with app.app_context():
        done = revoke(db.session(), selection, "a test", now=clock.now(), actor="cli")
        return list(done)


def test_operations_revoke_in_batches_of_at_most_five_hundred(
    app: Flask, make_app: MakeApp, sql: Sql, user_id: int
) -> None:
    elsewhere = parts(make_app()).pulse
    assert elsewhere.beat()
    sids = insert_sessions(sql, user_id, 1200, clock.now())
    assert revoke_all(app) == [Batch(500, True), Batch(500, True), Batch(200, True)]
    assert BATCH == 500
    numbers = Counter(sql.scalars(select(Session.change_number)))
    assert sorted(numbers.items()) == [(1, 500), (2, 500), (3, 200)]
    assert Counter(one.sid for one in events(sql, *sids)) == dict.fromkeys(sids, 1)
    assert elsewhere.beat()
    assert {elsewhere.find(sid, clock.now()) for sid in sids} == {"revoked"}
    assert set(parts(app).denylist.keys()) == {f"carelink:revoked:{{{sid}}}" for sid in sids}


def test_between_two_batches_nothing_is_locked(app: Flask, sql: Sql, user_id: int) -> None:
    insert_sessions(sql, user_id, BATCH + 1, clock.now())
    with app.app_context():
        going_on = revoke(db.session(), EVERYONE, "a test", now=clock.now(), actor="cli")
        assert next(going_on).ended == BATCH
        with writing(sql):
            assert take_change_number(sql) == 2
        assert [batch.ended for batch in going_on] == [1]


def test_who_is_ended_by_somebody_else_between_look_and_batch_is_ended_once(
    app: Flask, sql: Sql, user_id: int
) -> None:
    """Several batches are looked up at once; meanwhile one of them is gone."""
    sids = insert_sessions(sql, user_id, 6, clock.now())
    with app.app_context():
        going_on = revoke(
            db.session(), EVERYONE, "a test", now=clock.now(), actor="cli", batch_size=2
        )
        done = [next(going_on).ended]
        left = sql.scalars(select(Session.id).where(Session.ended_at.is_(None))).all()
        end_elsewhere(sql, left, clock.now())
        done += [batch.ended for batch in going_on]
    assert sum(done) == 6 - len(left) > 0
    assert Counter(one.sid for one in events(sql, *sids)) == dict.fromkeys(sids, 1)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_everyone_who_logs_in_meanwhile_is_ended_too(
    app: Flask, sql: Sql, auth: Auth, batch_size: int
) -> None:
    """Also where the order of users and sessions has passed them already."""
    first, second = (auth.create_user(f"{name}@ward.example").id for name in "ab")
    sids = insert_sessions(sql, second, 4, clock.now())
    with app.app_context():
        going_on = revoke(
            db.session(), EVERYONE, "a test", now=clock.now(), actor="cli", batch_size=batch_size
        )
        done = [next(going_on).ended]
        sids += insert_sessions(sql, first, 2, clock.now())
        done += [batch.ended for batch in going_on]
    assert sum(done) in (4, 6)
    assert all(0 < ended <= batch_size for ended in done)
    if batch_size < 4:
        assert sum(done) == 6
    assert Counter(one.sid for one in events(sql, *sids)) == dict.fromkeys(sids[: sum(done)], 1)


def test_who_has_seen_enough_stops_after_a_whole_batch(app: Flask, sql: Sql, user_id: int) -> None:
    insert_sessions(sql, user_id, 7, clock.now())
    answers = iter([False, True])
    with app.app_context():
        options = {"now": clock.now(), "actor": "cli", "batch_size": 3}
        done = list(revoke(db.session(), EVERYONE, "a test", enough=answers.__next__, **options))
    assert done == [Batch(3, True), Batch(3, True)]
    assert count_selected(sql, EVERYONE, now=clock.now()) == 1
    sql.rollback()
    sql.expire_all()
    assert sql.scalar(select(ChangeCounter.refuse_logins_before)) is None, "not everyone is out"


def test_redis_that_takes_nothing_makes_no_batch_fail_and_is_told_of(
    make_app: MakeApp, sql: Sql, user_id: int
) -> None:
    app = make_app(redis_url="unix:///nonexistent/redis")
    sids = insert_sessions(sql, user_id, 7, clock.now())
    with app.app_context():
        options = {"now": clock.now(), "actor": "cli", "batch_size": 3}
        done = list(revoke(db.session(), EVERYONE, "a test", **options))
    assert [batch.ended for batch in done] == [3, 3, 1]
    assert not done[-1].redis_knows
    assert all(row_of(sql, sid).ended_at for sid in sids)
    assert parts(app).pulse.find(sids[0], clock.now()) == "revoked"


def test_each_batch_ends_when_it_does_and_not_when_the_first_one_did(
    app: Flask, sql: Sql, user_id: int, travel: Travel
) -> None:
    """A trail whose events are an hour late looks as if somebody had written them in."""
    sids = insert_sessions(sql, user_id, 2, clock.now())
    with app.app_context():
        began = clock.now()
        for _ in revoke(
            db.session(), EVERYONE, "a test", now=began, actor="cli", batch_size=1,
            enough=lambda: bool(travel(600)),
        ):  # fmt: skip
            pass
    late = sorted(row_of(sql, sid).refuse_from - began for sid in sids)  # type: ignore[operator]
    assert late[0] < timedelta(seconds=60) < timedelta(seconds=590) < late[1]
    assert {one.recorded_at for one in events(sql, *sids)} == {
        row_of(sql, sid).ended_at for sid in sids
    }


def test_what_was_interrupted_can_be_taken_up_again(app: Flask, sql: Sql, user_id: int) -> None:
    insert_sessions(sql, user_id, BATCH + 7, clock.now())
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
    duty = Duty(7, now + timedelta(minutes=10))
    with writing(sql):
        grant, capped = start_session(
            sql, user, app.extensions["carelink.settings"], Device(None, None), now=now, duty=duty
        )
    assert capped == []
    assert grant.session.expires_at == grant.access_expires.at == duty.ends_at
    assert not grant.access_expires.capped_by_idle
    row = row_of(sql, grant.session.id)
    assert (row.shift_id, row.shift_ends_at, row.latest_expires_at) == (
        7,
        duty.ends_at,
        duty.ends_at,
    )


def test_a_command_that_began_earlier_takes_back_nothing_that_a_later_one_has_refused(
    app: Flask, sql: Sql, user_id: int
) -> None:
    insert_sessions(sql, user_id, 2, clock.now())
    with app.app_context():
        began = clock.now()
        earlier = revoke(db.session(), EVERYONE, "a test", now=began, actor="cli", batch_size=1)
        assert next(earlier).ended == 1
        later = began + timedelta(hours=1)
        list(revoke(db.session(), EVERYONE, "a test", now=later, actor="cli"))
        list(earlier)
    assert sql.scalar(select(ChangeCounter.refuse_logins_before)) == later
