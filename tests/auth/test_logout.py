"""Log out: with what it works, what it leaves in Redis, and what happens while a store is down."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session as Sql

from carelink_api.extensions import db
from tests.auth.helpers import SQLITE, claims_of, events, refused_with
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.servers import ValkeyServer

MARGIN = 10 + 60
"""Leeway and a minute: how much longer than its token an entry lives."""


@pytest.fixture
def mine(auth: Auth) -> dict[str, Any]:
    auth.create_user()
    return auth.tokens()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


def keys(client: redis.Redis) -> list[str]:
    return [str(key) for key in client.scan_iter()]


def test_a_refresh_token_logs_its_session_out(auth: Auth, mine: dict[str, Any]) -> None:
    assert auth.logout(refresh=mine["refresh"]).get_json() == {"message": "Logout successful"}
    assert refused_with(auth.me(mine["access"]), "revoked")
    assert refused_with(auth.refresh(mine["refresh"]), "revoked")


def test_the_access_token_in_the_header_is_enough(auth: Auth, mine: dict[str, Any]) -> None:
    assert auth.logout(access=mine["access"]).status_code == 200
    assert refused_with(auth.me(mine["access"]), "revoked")
    assert refused_with(auth.refresh(mine["refresh"]), "revoked")


def test_an_empty_object_beside_the_header_is_enough(auth: Auth, mine: dict[str, Any]) -> None:
    assert auth.post("logout", {}, access=mine["access"]).status_code == 200


def test_an_expired_access_token_still_logs_out(
    auth: Auth, mine: dict[str, Any], travel: Travel
) -> None:
    travel(3600)
    assert auth.logout(access=mine["access"]).status_code == 200
    assert refused_with(auth.refresh(mine["refresh"]), "revoked")


def test_the_refresh_token_counts_also_beside_a_bad_header(
    auth: Auth, mine: dict[str, Any]
) -> None:
    assert auth.logout(mine["refresh"], access="garbage").status_code == 200


def test_a_retired_refresh_token_still_logs_out(
    auth: Auth, mine: dict[str, Any], travel: Travel
) -> None:
    second = auth.refresh(mine["refresh"]).get_json()
    travel(3600)
    assert auth.logout(mine["refresh"]).status_code == 200
    assert refused_with(auth.refresh(second["refresh"]), "revoked")


def test_again_is_as_good_and_recorded_once(auth: Auth, mine: dict[str, Any], sql: Sql) -> None:
    answers = [auth.logout(mine["refresh"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert auth.logout(access=mine["access"]).status_code == 200
    assert len(events(sql, "session:logged_out")) == 1


def test_the_browser_is_told_to_forget(auth: Auth, mine: dict[str, Any]) -> None:
    headers = auth.logout(mine["refresh"]).headers
    assert headers["Clear-Site-Data"] == '"cache"'
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "é", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_of_ours_is_an_invalid_token(
    token: str, auth: Auth, mine: dict[str, Any]
) -> None:
    response = auth.logout(refresh=token)
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert response.get_json()["error"] == "Invalid token"
    assert response.get_json()["code"] == "invalid_token"
    assert auth.me(mine["access"]).status_code == 200


def test_the_tokens_do_not_stand_in_each_other_s_place(auth: Auth, mine: dict[str, Any]) -> None:
    assert auth.logout(refresh=mine["access"]).status_code == 400
    assert auth.logout(access=mine["refresh"]).status_code == 400
    assert auth.me(mine["access"]).status_code == 200


def test_nothing_at_all_is_a_bare_challenge(auth: Auth) -> None:
    bodies: list[Any] = [{}, None]
    for body in bodies:
        response = auth.post("logout", body)
        assert response.status_code == 401
        assert response.get_json()["code"] == "not_authenticated"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="carelink"'


def test_redis_holds_session_and_tokens_exactly_as_long_as_they_could_live(
    auth: Auth, mine: dict[str, Any], redis_client: redis.Redis
) -> None:
    begun = int(time.time())
    auth.logout(mine["refresh"])
    ended = time.time()
    claims = claims_of(mine["refresh"])
    session = f"carelink:revoked:{{{claims['sid']}}}"
    token = f"{session}:{claims['jti']}"
    assert set(keys(redis_client)) == {session, token}
    for key in (session, token):
        assert claims["exp"] + MARGIN <= redis_client.expiretime(key) <= claims["exp"] + MARGIN + 2
        reason, at = str(redis_client.get(key)).split(":")
        assert reason == "logged_out"
        assert begun <= int(at) <= ended


def test_logout_by_access_token_lists_both_tokens(
    auth: Auth, mine: dict[str, Any], redis_client: redis.Redis
) -> None:
    auth.logout(access=mine["access"])
    access, refresh = claims_of(mine["access"]), claims_of(mine["refresh"])
    prefix = f"carelink:revoked:{{{access['sid']}}}"
    expires = {
        claims["jti"]: redis_client.expiretime(f"{prefix}:{claims['jti']}") - claims["exp"]
        for claims in (access, refresh)
    }
    assert all(MARGIN <= margin <= MARGIN + 2 for margin in expires.values()), expires


def test_keys_and_values_hold_no_name_address_or_token(
    auth: Auth, mine: dict[str, Any], redis_client: redis.Redis
) -> None:
    second = auth.refresh(mine["refresh"]).get_json()
    auth.logout(second["refresh"])
    everything = " ".join(f"{key!s}={redis_client.get(key)!s}" for key in keys(redis_client))
    for secret in (mine["access"], mine["refresh"], second["refresh"], "nurse", "@", "eyJ"):
        assert secret not in everything.lower()


def test_no_key_is_left_without_an_end(
    auth: Auth, mine: dict[str, Any], redis_client: redis.Redis
) -> None:
    second = auth.refresh(mine["refresh"]).get_json()
    auth.logout_all(second["access"])
    assert all(redis_client.ttl(key) > 0 for key in keys(redis_client))


def test_log_out_everywhere_ends_every_session_of_the_user_and_no_other(
    auth: Auth, mine: dict[str, Any]
) -> None:
    auth.create_user("other@ward.example")
    tablet, theirs = auth.tokens(), auth.tokens("other@ward.example")
    answer = auth.logout_all(mine["access"]).get_json()
    assert answer == {"message": "Logged out everywhere", "sessions_ended": 2}
    for pair in (mine, tablet):
        assert refused_with(auth.me(pair["access"]), "revoked")
        assert refused_with(auth.refresh(pair["refresh"]), "revoked")
    assert auth.me(theirs["access"]).status_code == 200


def test_another_worker_refuses_at_once_through_redis(
    auth: Auth, mine: dict[str, Any], make_app: MakeApp
) -> None:
    other = Auth(make_app())
    assert other.app.extensions["carelink"].pulse.beat()
    auth.logout(mine["refresh"])
    assert refused_with(other.me(mine["access"]), "revoked")


def test_while_redis_is_down_it_is_pending_and_holds_here_at_once_and_elsewhere_by_the_pulse(
    make_app: MakeApp, own_valkey: ValkeyServer
) -> None:
    here, elsewhere = (Auth(make_app(redis_url=own_valkey.url)) for _ in range(2))
    here.create_user()
    pair = here.tokens()
    pulses = [auth.app.extensions["carelink"].pulse for auth in (here, elsewhere)]
    assert all(pulse.beat() for pulse in pulses)
    own_valkey.kill()
    response = here.logout(pair["refresh"])
    assert (response.status_code, response.get_json()["pending"]) == (202, True)
    assert refused_with(here.me(pair["access"]), "revoked")
    assert refused_with(here.refresh(pair["refresh"]), "revoked")
    pulses[1].beat()
    assert refused_with(elsewhere.me(pair["access"]), "revoked")


@pytest.mark.parametrize("setting", ["maxmemory", "replicaof"])
def test_a_redis_that_takes_no_writes_is_pending_too(
    setting: str, make_app: MakeApp, own_valkey: ValkeyServer
) -> None:
    auth = Auth(make_app(redis_url=own_valkey.url))
    auth.create_user()
    pairs = [auth.tokens(), auth.tokens()]
    with own_valkey.client() as client:
        if setting == "maxmemory":
            client.config_set("maxmemory", "1")
        else:
            client.replicaof("127.0.0.1", 1)
            client.config_set("replica-serve-stale-data", "yes")
    assert auth.logout(pairs[0]["refresh"]).status_code == 202
    assert auth.logout_all(pairs[1]["access"]).status_code == 202
    assert [auth.me(pair["access"]).status_code for pair in pairs] == [401, 401]


@SQLITE
def test_while_sql_is_down_it_is_unavailable_and_nothing_changes(
    auth: Auth, mine: dict[str, Any], store: str, redis_client: redis.Redis
) -> None:
    file = Path(str(make_url(store).database))
    hidden = [path.rename(f"{path}-hidden") for path in file.parent.glob("carelink.db*")]
    with auth.app.app_context():
        db.engine.dispose()
    file.mkdir()
    response = auth.logout(mine["refresh"])
    assert response.status_code == 503
    assert response.get_json()["code"] == "unavailable"
    assert int(response.headers["Retry-After"]) >= 1
    assert redis_client.dbsize() == 0
    file.rmdir()
    for path in hidden:
        path.rename(str(path).removesuffix("-hidden"))
    assert auth.logout(mine["refresh"]).status_code == 200
