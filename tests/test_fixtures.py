"""The fixtures give each test what they promise."""

from datetime import UTC, datetime, timedelta

import pytest
import redis
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.config import Settings
from carelink_api.sessions.models import ChangeCounter
from tests.auth_helper import Auth
from tests.conftest import MakeApp, MakeServer, Travel, environment


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_starts_on_fresh_stores(
    turn: int, auth: Auth, sql: Sql, redis_client: redis.Redis
) -> None:
    assert sql.scalars(select(User)).all() == []
    assert sql.scalars(select(ChangeCounter.value)).all() == [0]
    assert redis_client.dbsize() == 0
    sql.rollback()
    assert auth.create_user().id == 1
    redis_client.set("left", "behind")


def test_a_user_logs_in_refreshes_and_logs_out(auth: Auth) -> None:
    user = auth.create_user(user_type="doctor", unit="ICU", profile="high_security")
    first = auth.tokens()
    assert first["user"]["id"] == user.id
    second = auth.refresh(first["refresh"])
    assert second.status_code == 200
    assert auth.me(second.get_json()["access"]).status_code == 200
    assert auth.logout(refresh=second.get_json()["refresh"]).status_code == 200
    assert auth.me(second.get_json()["access"]).status_code == 401


@pytest.mark.settings(rotation_grace_seconds=0)
def test_a_mark_changes_the_settings_of_the_application(settings: Settings, app: Flask) -> None:
    assert app.extensions["carelink.settings"] is settings
    assert settings.rotation_grace_seconds == 0


def test_two_applications_share_the_stores(auth: Auth, make_app: MakeApp) -> None:
    auth.create_user()
    assert Auth(make_app()).login().status_code == 200


def test_time_is_moved_forward_by_hand(travel: Travel) -> None:
    start = datetime.now(UTC)
    travel(3600)
    assert clock.now() - start >= timedelta(hours=1)
    travel.to(start + timedelta(hours=12))
    assert timedelta(hours=12) <= clock.now() - start < timedelta(hours=13)


def test_settings_reach_another_process_as_environment(settings: Settings) -> None:
    given = environment(settings)
    assert given["CARELINK_SQLALCHEMY_DATABASE_URI"] == settings.sqlalchemy_database_uri
    assert given["CARELINK_RATELIMIT_ENABLED"] == "false"
    assert given["CARELINK_JWT_SECRET_KEY"] == settings.jwt_secret_key.get_secret_value()


def test_a_real_server_runs_on_the_same_stores(auth: Auth, api_server: MakeServer) -> None:
    auth.create_user()
    access = auth.tokens()["access"]
    server = api_server(workers=2)
    assert len(server.worker_pids()) == 2
    with server.client() as http:
        answer = http.get("/api/auth/me/", headers={"Authorization": f"Bearer {access}"})
    assert answer.status_code == 200
