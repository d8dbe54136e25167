"""Clocks that disagree: a revocation holds although Redis has lost it."""

from datetime import timedelta

import pytest
import redis
import time_machine
from flask import Flask

from carelink_api import clock
from tests.auth_helper import Auth
from tests.conftest import MakeApp
from tests.sessions.helpers import parts

pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def test_a_session_ended_by_a_host_whose_clock_is_ahead_is_refused_at_the_next_beat(
    make_app: MakeApp, auth: Auth, redis_client: redis.Redis
) -> None:
    auth.create_user()
    granted = auth.tokens()
    other = make_app()
    with time_machine.travel(clock.now() + timedelta(seconds=8)):
        assert auth.logout(granted["refresh"]).status_code == 200
    redis_client.flushall()
    assert parts(other).pulse.beat()
    assert Auth(other).me(granted["access"]).status_code == 401


def test_an_ended_session_stays_refused_when_the_clock_is_set_back(
    app: Flask, make_app: MakeApp, auth: Auth, redis_client: redis.Redis
) -> None:
    auth.create_user()
    granted = auth.tokens()
    other = make_app()
    assert auth.logout(granted["refresh"]).status_code == 200
    assert parts(other).pulse.beat()
    redis_client.flushall()
    with time_machine.travel(clock.now() - timedelta(seconds=30)):
        for worker in (app, other):
            assert parts(worker).pulse.beat()
            assert Auth(worker).me(granted["access"]).status_code == 401


def test_an_ended_session_stays_refused_after_the_clock_was_hours_ahead(
    app: Flask, auth: Auth, redis_client: redis.Redis
) -> None:
    auth.create_user()
    granted = auth.tokens()
    assert auth.logout(granted["refresh"]).status_code == 200
    redis_client.flushall()
    with time_machine.travel(clock.now() + timedelta(hours=3)):
        assert parts(app).pulse.beat()
    assert parts(app).pulse.beat()
    assert auth.me(granted["access"]).status_code == 401


def test_nobody_gets_in_between_a_clock_s_way_back_and_the_next_beat(
    app: Flask, auth: Auth, redis_client: redis.Redis
) -> None:
    auth.create_user()
    granted = auth.tokens()
    assert auth.logout(granted["refresh"]).status_code == 200
    redis_client.flushall()
    with time_machine.travel(clock.now() + timedelta(hours=3)):
        assert parts(app).pulse.beat()  # by its clock every token has expired, and is forgotten
    assert not parts(app).pulse.is_fresh()
    assert auth.me(granted["access"]).status_code == 401
