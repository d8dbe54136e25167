"""Probes and links."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.housekeeping.schedule import Chore
from carelink_api.ops.health import (
    DatabaseCheck,
    HousekeeperCheck,
    PulseCheck,
    Readiness,
    RedisCheck,
    redis_warnings,
)
from carelink_api.sessions.runtime import Runtime
from tests.conftest import PRODUCTION, MakeApp, Travel

NOBODY = "unix:///nonexistent/valkey.sock"


def parts(app: Flask) -> Runtime:
    found: Runtime = app.extensions["carelink"]
    return found


def keep_house(app: Flask) -> None:
    with app.app_context():
        Housekeeper(app.extensions["carelink"]).round(db.session(), clock.now())


@pytest.fixture
def lenient(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """A Redis whose settings a test may change: they are put back afterwards."""
    names = ("maxmemory-policy", "appendonly")
    before = redis_client.config_get(*names)
    yield redis_client
    for name in names:
        redis_client.config_set(name, before[name] or "")


def test_the_root_links_to_everything(client: FlaskClient) -> None:
    links = client.get("/").get_json()
    assert links["name"] == "CareLink API"
    for address in (links["docs"], links["openapi"], links["health"]["live"]):
        assert client.get(address, buffered=True).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/live/"])
def test_a_process_that_serves_is_live(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.get_json()) == (200, {"status": "live"})


def test_liveness_asks_no_store(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(redis_url=NOBODY, sqlalchemy_database_uri=f"sqlite:///{tmp_path}/no/such.db")
    assert app.test_client().get("/health/live/").status_code == 200


@pytest.mark.parametrize("path", ["/health/ready", "/health/ready/"])
def test_a_worker_with_its_stores_and_a_pulse_is_ready(
    app: Flask, client: FlaskClient, path: str
) -> None:
    begun = time.monotonic()
    keep_house(app)
    assert parts(app).pulse.beat()
    answer = client.get(path)
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["status"] == "ready"
    assert body["checks"]["database"] == {"ok": True, "migrated": True}
    assert body["checks"]["redis"]["ok"] is True
    assert body["checks"]["pulse"]["ok"] is True
    assert 0 <= body["checks"]["pulse"]["age_seconds"] <= time.monotonic() - begun + 0.1
    assert body["checks"]["pulse"]["size"] == 0
    assert body["checks"]["housekeeper"] == {"ok": True, "late": []}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_worker_serves_without_a_housekeeper_and_says_so(
    app: Flask, client: FlaskClient, travel: Travel
) -> None:
    def late() -> list[str]:
        answer = client.get("/health/ready/")
        assert answer.status_code == 200
        check = answer.get_json()["checks"]["housekeeper"]
        assert check["ok"] is not bool(check["late"])
        assert check["ok"] or answer.get_json()["status"] == "degraded"
        names: list[str] = check["late"]
        return names

    assert parts(app).pulse.beat()
    assert late() == [str(chore) for chore in Chore if chore != Chore.SHIP]  # nobody ever was
    keep_house(app)
    assert late() == []
    travel(100)
    assert parts(app).pulse.beat()
    assert late() == []
    travel(30)
    assert parts(app).pulse.beat()
    assert late() == ["expire", "publish", "seal"]
    keep_house(app)
    assert late() == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_worker_says_whether_it_hears_messages_and_serves_without(make_app: MakeApp) -> None:
    def messages(app: Flask) -> dict[str, bool]:
        answer = app.test_client().get("/health/ready/")
        assert answer.status_code == 200
        heard: dict[str, bool] = answer.get_json()["checks"]["messages"]
        return heard

    assert messages(make_app(denylist_check="redis")) == {"wanted": False, "heard": False}
    app = make_app(denylist_check="memory")
    assert messages(app) == {"wanted": True, "heard": False}
    hearing = parts(app).hearing
    assert hearing is not None
    hearing.begin()
    assert messages(app) == {"wanted": True, "heard": True}
    hearing.end()
    assert messages(app) == {"wanted": True, "heard": False}


def test_a_worker_whose_pulse_never_beat_still_serves_by_redis(make_app: MakeApp) -> None:
    answer = make_app().test_client().get("/health/ready/")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert answer.get_json()["checks"]["pulse"] == {"ok": False, "age_seconds": None, "size": 0}


def test_a_worker_without_redis_still_serves_by_its_pulse(make_app: MakeApp) -> None:
    app = make_app(redis_url=NOBODY)
    assert parts(app).pulse.beat()
    answer = app.test_client().get("/health/ready/")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert answer.get_json()["checks"]["redis"] == {"ok": False, "warnings": []}


def test_a_worker_with_neither_redis_nor_pulse_is_not_ready(make_app: MakeApp) -> None:
    answer = make_app(redis_url=NOBODY).test_client().get("/health/ready/")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "unavailable")


def test_a_worker_without_its_database_is_not_ready(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(sqlalchemy_database_uri=f"sqlite:///{tmp_path}/no/such.db")
    answer = app.test_client().get("/health/ready/")
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["database"] == {"ok": False, "migrated": False}


def test_a_database_that_was_never_migrated_is_not_ready(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(sqlalchemy_database_uri=f"sqlite:///{tmp_path}/empty.db")
    answer = app.test_client().get("/health/ready/")
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["database"] == {"ok": True, "migrated": False}


def test_a_database_behind_the_code_is_not_ready(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        db.session.execute(db.text("UPDATE alembic_version SET version_num = 'older'"))
        db.session.commit()
    assert client.get("/health/ready/").status_code == 503


def test_readiness_tells_nothing_about_what_failed(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(redis_url=NOBODY, sqlalchemy_database_uri=f"sqlite:///{tmp_path}/no/such.db")
    text = app.test_client().get("/health/ready/").text.lower()
    for secret in (str(tmp_path).lower(), "nonexistent", "sqlite", "error", "unable"):
        assert secret not in text


def test_a_redis_that_may_forget_is_reported(lenient: redis.Redis) -> None:
    lenient.config_set("maxmemory-policy", "allkeys-lru")
    lenient.config_set("appendonly", "no")
    assert [warning.split(":")[0] for warning in redis_warnings(lenient)] == [
        "Set maxmemory-policy to noeviction",
        "Set appendonly to yes",
    ]


def test_clocks_that_are_off_and_keys_that_do_not_open_degrade(
    app: Flask, client: FlaskClient, make_app: MakeApp, runner: FlaskCliRunner, travel: Travel
) -> None:
    assert client.get("/health/ready/").get_json()["checks"]["clocks"]["ok"] is True
    assert runner.invoke(args=["keys", "add", "--algorithm", "EdDSA"]).exit_code == 0
    other = make_app(jwt_secret_key="Pw4Tz9-kS2vN7xM5bJ1hG8fD6cR3qL0y")
    assert parts(other).pulse.beat()
    answer = other.test_client().get("/health/ready/")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert answer.get_json()["checks"]["keys"] == {
        "ok": False, "unreadable": 2, "powerless": 0,
    }  # fmt: skip
    travel(30)  # ours: the stores keep the real time
    assert parts(app).pulse.beat()
    checks = client.get("/health/ready/").get_json()["checks"]
    assert checks["keys"]["ok"] is True
    assert checks["clocks"]["ok"] is False
    assert 28 < checks["clocks"]["redis_seconds"] < 40


def test_a_redis_with_the_documented_settings_gets_no_warning(lenient: redis.Redis) -> None:
    lenient.config_set("maxmemory-policy", "noeviction")
    lenient.config_set("appendonly", "yes")
    assert redis_warnings(lenient) == []


@pytest.mark.parametrize(
    ("database", "migrated", "redis_ok", "pulse_ok", "kept", "status"),
    [
        (True, True, True, True, True, "ready"),
        (True, True, True, True, False, "degraded"),
        (True, True, False, True, True, "degraded"),
        (True, True, True, False, True, "degraded"),
        (True, True, False, False, True, "unavailable"),
        (True, False, True, True, True, "unavailable"),
        (False, False, True, True, True, "unavailable"),
    ],
)
def test_the_rule_of_readiness(
    database: bool, migrated: bool, redis_ok: bool, pulse_ok: bool, kept: bool, status: str
) -> None:
    readiness = Readiness(
        DatabaseCheck(database, migrated),
        RedisCheck(redis_ok),
        PulseCheck(pulse_ok, None, 0),
        housekeeper=HousekeeperCheck(kept),
    )
    assert readiness.status == status


def test_probes_answer_on_plain_http_in_production(make_app: MakeApp) -> None:
    app = make_app(**PRODUCTION)
    assert app.extensions["carelink"].pulse.beat()
    client = app.test_client()
    for path in ("/health/live", "/health/live/", "/health/ready", "/health/ready/"):
        assert client.get(path).status_code == 200
    assert client.get("/").get_json()["code"] == "https_required"
