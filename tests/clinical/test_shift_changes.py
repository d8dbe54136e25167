"""What a changed roster does to who is logged in."""

from datetime import timedelta

import pytest
import redis
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.events import Event
from tests.auth.helpers import SQLITE, events, refused_with
from tests.auth_helper import Account, Auth
from tests.conftest import MakeApp, Travel
from tests.sessions.helpers import parts, row_of
from tests.shifts.helpers import HOUR, MINUTE, Roster, admin_roster, at, give_shift, moment

SECOND = timedelta(seconds=1)


@pytest.fixture
def nurse(auth: Auth) -> Account:
    return auth.create_user()


@pytest.fixture
def admin(auth: Auth) -> Roster:
    return admin_roster(auth)


@pytest.fixture
def shift(app: Flask, nurse: Account) -> int:
    return give_shift(app, nurse.id)


@pytest.fixture
def worker(make_app: MakeApp, app: Flask) -> Auth:
    """Another worker on the same stores, up to date."""
    other = make_app()
    assert parts(other).pulse.beat()
    return Auth(other)


def test_a_shift_cut_short_ends_the_session_at_its_new_end_in_every_worker(
    app: Flask, auth: Auth, admin: Roster, worker: Auth, shift: int, sql: Sql, travel: Travel
) -> None:
    pair = auth.tokens()
    assert admin.change(shift, ends_at=at(-25 * MINUTE)).status_code == 200
    for each in (app, worker.app):
        assert parts(each).pulse.beat()
    row = row_of(sql, pair["session"]["id"])
    assert row.ended_at is None
    assert row.refuse_from == row.expires_at == row.shift_ends_at
    assert row.refuse_from is not None
    for each in (app, worker.app):
        pulse = parts(each).pulse
        assert pulse.find(row.id, row.refuse_from) == "shift_ended", "known before it comes due"
        assert pulse.find(row.id, row.refuse_from - SECOND) is None
    assert worker.me(pair["access"]).status_code == 200, "handoff time goes on"
    travel(5 * 60 + 1)
    for calls in (auth, worker):
        assert refused_with(calls.me(pair["access"]), "shift_ended")
    assert refused_with(auth.refresh(pair["refresh"]), "shift_ended")


def test_what_redis_learns_of_a_shift_cut_short_outlives_its_flush(
    app: Flask, auth: Auth, admin: Roster, worker: Auth, shift: int, travel: Travel
) -> None:
    pair = auth.tokens()
    admin.change(shift, ends_at=at(-29 * MINUTE))
    travel(70)
    parts(app).denylist.client.flushall()
    assert parts(worker.app).pulse.beat()
    assert refused_with(worker.me(pair["access"]), "shift_ended")


def test_a_shift_cut_to_before_its_handoff_time_ends_the_session_at_once(
    auth: Auth, admin: Roster, worker: Auth, shift: int, sql: Sql
) -> None:
    pair = auth.tokens()
    assert admin.change(shift, ends_at=at(-31 * MINUTE)).status_code == 200
    assert refused_with(worker.me(pair["access"]), "shift_ended"), "Redis knows at once"
    row = row_of(sql, pair["session"]["id"])
    assert (row.end_reason, row.ended_at) == ("shift_ended", row.refuse_from)


def test_a_cancelled_shift_ends_the_session_without_handoff_time(
    app: Flask, auth: Auth, admin: Roster, worker: Auth, shift: int, sql: Sql
) -> None:
    pair = auth.tokens()
    assert admin.cancel(shift).status_code == 200
    parts(app).denylist.client.flushall()
    assert parts(worker.app).pulse.beat()
    assert refused_with(worker.me(pair["access"]), "shift_ended")
    assert auth.login().status_code == 403
    (ended,) = events(sql, Event.SESSION_EXPIRED)
    assert (ended.sid, ended.reason) == (pair["session"]["id"], "shift_ended")
    assert ended.actor != f"user:{ended.user_id}"
    assert ended.detail == {"why": "The ward is empty"}


def test_a_shift_taken_from_one_and_given_to_another_moves_both(
    app: Flask, auth: Auth, admin: Roster, nurse: Account, shift: int, sql: Sql
) -> None:
    other = auth.create_user("other@ward.example")
    give_shift(app, other.id, -HOUR, HOUR)
    hers, others = auth.tokens(), auth.tokens(other.email)
    assert admin.change(shift, user_id=other.id).status_code == 200
    assert refused_with(auth.me(hers["access"]), "shift_ended")
    assert auth.login().status_code == 403
    refreshed = auth.refresh(others["refresh"]).get_json()
    longer = moment(refreshed["session"]["expires_at"]) - moment(others["session"]["expires_at"])
    assert abs(longer - 6 * HOUR) <= 2 * SECOND
    assert refreshed["session"]["shift"]["id"] == shift
    (event,) = events(sql, Event.SHIFT_REASSIGNED)
    assert event.user_id == other.id
    assert event.detail is not None
    assert event.detail["before"]["user_id"] == nurse.id


def test_an_extension_shows_at_the_next_refresh(
    auth: Auth, admin: Roster, shift: int, travel: Travel, sql: Sql
) -> None:
    pair = auth.tokens()
    before = moment(pair["session"]["expires_at"])
    assert admin.change(shift, ends_at=at(9 * HOUR)).status_code == 200
    after = auth.refresh(pair["refresh"]).get_json()
    end = moment(after["session"]["expires_at"])
    assert end - before > HOUR
    assert moment(after["refresh_expires_at"]) == end
    assert moment(after["session"]["shift"]["ends_at"]) == end
    row = row_of(sql, pair["session"]["id"])
    assert (row.refuse_from, row.latest_expires_at) == (None, end)
    travel.to(before + MINUTE)
    assert auth.refresh(after["refresh"]).status_code == 200
    (moved,) = events(sql, Event.SESSION_END_MOVED)
    assert moved.detail is not None
    assert (moved.sid, moved.detail["why"]) == (row.id, "The ward is full")


def test_the_absolute_timeout_stays_whatever_the_roster_says(
    auth: Auth, admin: Roster, shift: int, app: Flask, nurse: Account
) -> None:
    give_shift(app, nurse.id, 7 * HOUR, 20 * HOUR)
    pair = auth.tokens()
    admin.change(shift, ends_at=at(10 * HOUR))
    session = auth.refresh(pair["refresh"]).get_json()["session"]
    assert moment(session["expires_at"]) - moment(session["started_at"]) == 12 * HOUR


def test_a_shift_cut_short_and_extended_again_goes_on(
    app: Flask, auth: Auth, admin: Roster, worker: Auth, shift: int, sql: Sql, travel: Travel
) -> None:
    pair = auth.tokens()
    admin.change(shift, 1, ends_at=at(-28 * MINUTE))
    assert parts(worker.app).pulse.beat()
    admin.change(shift, 2, ends_at=at(6 * HOUR))
    assert parts(worker.app).pulse.beat()
    row = row_of(sql, pair["session"]["id"])
    assert row.refuse_from == row.expires_at < row.latest_expires_at
    admin.change(shift, 3, ends_at=at(9 * HOUR))
    assert parts(worker.app).pulse.beat()
    assert row_of(sql, pair["session"]["id"]).refuse_from is None
    travel(3 * 60)
    assert worker.me(pair["access"]).status_code == 200
    assert auth.refresh(pair["refresh"]).status_code == 200
    runner = app.test_cli_runner()
    assert runner.invoke(args=["housekeep", "--once"]).exit_code == 0
    assert worker.me(pair["access"]).status_code == 200, "Redis holds nothing of it"


@SQLITE
def test_an_end_that_is_about_to_come_due_is_not_moved_away(
    app: Flask, auth: Auth, admin: Roster, nurse: Account
) -> None:
    shift = give_shift(app, nurse.id, -8 * HOUR, -29.7 * MINUTE)
    pair = auth.tokens()
    assert admin.change(shift, ends_at=at(HOUR)).status_code == 200
    after = auth.refresh(pair["refresh"]).get_json()
    assert after["session"]["expires_at"] == pair["session"]["expires_at"]
    assert auth.tokens()["session"]["expires_at"] > pair["session"]["expires_at"]


@SQLITE
def test_a_new_shift_that_follows_lets_the_session_go_on(
    app: Flask, auth: Auth, admin: Roster, nurse: Account, shift: int
) -> None:
    pair = auth.tokens()
    unit = admin.read(shift).get_json()["unit"]["id"]
    times = {"starts_at": at(7 * HOUR), "ends_at": at(9 * HOUR)}
    assert admin.create(user_id=nurse.id, unit_id=unit, **times).status_code == 201
    after = auth.refresh(pair["refresh"]).get_json()
    assert after["session"]["expires_at"] > pair["session"]["expires_at"]


@SQLITE
def test_of_two_overlapping_shifts_one_may_go(
    app: Flask, auth: Auth, admin: Roster, nurse: Account, shift: int
) -> None:
    longer = give_shift(app, nurse.id, -2 * HOUR, 9 * HOUR, unit="Ward 7")
    pair = auth.tokens()
    assert admin.cancel(longer).status_code == 200
    assert auth.me(pair["access"]).status_code == 200
    after = auth.refresh(pair["refresh"]).get_json()["session"]
    assert after["shift"]["id"] == shift
    assert after["expires_at"] < pair["session"]["expires_at"]


@SQLITE
def test_a_shift_moved_to_later_ends_the_session_until_then(
    auth: Auth, admin: Roster, shift: int
) -> None:
    pair = auth.tokens()
    assert admin.change(shift, starts_at=at(3 * HOUR)).status_code == 200
    assert refused_with(auth.me(pair["access"]), "shift_ended")
    assert auth.login().get_json()["next_shift_starts_at"] is not None


@SQLITE
def test_sessions_that_no_shift_binds_are_left_alone(
    app: Flask, auth: Auth, admin: Roster, nurse: Account
) -> None:
    unbound = auth.tokens()
    shift = give_shift(app, nurse.id)
    bound = auth.tokens()
    admin.cancel(shift)
    assert auth.me(unbound["access"]).status_code == 200
    assert auth.me(bound["access"]).status_code == 401


@SQLITE
def test_the_answer_says_when_redis_does_not_know_yet(
    auth: Auth, admin: Roster, shift: int, redis_client: redis.Redis
) -> None:
    auth.tokens()
    redis_client.config_set("maxmemory", 1)
    try:
        answer = admin.cancel(shift)
    finally:
        redis_client.config_set("maxmemory", 0)
    assert (answer.status_code, answer.get_json()["pending"]) == (202, True)
    assert answer.headers["ETag"] == '"2"'


def test_a_night_over_the_change_of_the_clock_is_as_long_as_it_is(
    app: Flask, auth: Auth, admin: Roster, nurse: Account
) -> None:
    today = clock.now()
    year = today.year + 1
    times = {"starts_at": f"{year}-03-26T19:00:00+01:00", "ends_at": f"{year}-03-27T07:00:00+02:00"}
    unit = give_shift(app, nurse.id, unit="Ward 7")
    unit_id = admin.read(unit).get_json()["unit"]["id"]
    shift = admin.create(user_id=nurse.id, unit_id=unit_id, **times).get_json()
    assert moment(shift["ends_at"]) - moment(shift["starts_at"]) == 11 * HOUR
