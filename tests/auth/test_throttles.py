"""How often the token endpoints may be asked, on a real Valkey (`docs/design.md`, section 8)."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import event as sql_event
from sqlalchemy import text
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.audit.events import Event
from carelink_api.auth.refusal_counts import EXTENSION, KEPT_FOR, MOST, RefusalCounts, Refused
from carelink_api.ops.api.numbers import MinuteCounts
from tests.auth.helpers import SQLITE, claims_of, events
from tests.auth_helper import EMAIL, PASSWORD, Auth, bearer
from tests.conftest import MakeApp, Travel
from tests.servers import ValkeyServer

pytestmark = [SQLITE, pytest.mark.settings(ratelimit_enabled=True)]
PREFIX = "carelink:limits"


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _user(auth: Auth) -> None:
    auth.create_user()


def attempt(auth: Auth, email: str = EMAIL, **options: Any) -> TestResponse:
    """Try a wrong password; `path`, `address` and `headers` by name."""
    path = options.pop("path", "/api/auth/login/")
    address = options.pop("address", "198.51.100.1")
    body = {"email": email, "password": options.pop("password", "not the password")}
    body |= options.pop("body", {})
    return auth.client.post(path, json=body, environ_overrides={"REMOTE_ADDR": address}, **options)


def statuses(answers: list[TestResponse]) -> list[int]:
    return [answer.status_code for answer in answers]


def test_the_sixth_login_of_a_minute_is_throttled_and_audited(auth: Auth, sql: Sql) -> None:
    answers = [attempt(auth) for _ in range(6)]
    assert statuses(answers) == [401] * 5 + [429]
    refused = answers[-1]
    assert refused.content_type == "application/problem+json"
    assert refused.get_json()["code"] == "throttled"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61  # a minute, rounded up
    (event,) = events(sql, "token:throttled")
    assert (event.outcome, event.address) == ("refused", "198.51.100.1")
    assert event.route == "/api/auth/login/"
    assert event.request_id == refused.headers["X-Request-ID"]


def test_who_goes_on_all_the_same_leaves_one_more_event_a_minute_with_their_count(
    app: Flask, auth: Auth, sql: Sql, travel: Travel
) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    before = clock.now()
    assert statuses([attempt(auth) for _ in range(45)])[5:] == [429] * 40
    assert statuses([attempt(auth, address="2001:db8::1") for _ in range(7)])[5:] == [429] * 2
    counts.flush(clock.now())
    assert len(events(sql, "token:throttled")) == 2
    travel(60)
    counts.flush(clock.now())
    counts.flush(clock.now())
    told = events(sql, "token:throttled")[2:]
    assert [(event.address, event.detail["times"]) for event in told] == [
        ("198.51.100.1", 39),
        ("2001:db8::", 1),
    ]
    assert {(event.route, event.outcome) for event in told} == {("/api/auth/login/", "refused")}
    shown = MinuteCounts().last_hour(sql, clock.now())["throttles"]
    assert (sum(shown), sum(shown[-3:])) == (42, 42)
    assert before < told[0].recorded_at


def test_a_flood_from_everywhere_is_counted_together_beyond_a_thousand_addresses(
    app: Flask, sql: Sql
) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    now = clock.now()
    first = [
        counts.is_first(
            Refused(Event.TOKEN_THROTTLED, "throttled", "/", f"10.0.{i >> 8}.{i & 255}"), now
        )
        for i in range(1200)
    ]
    assert sum(first) == 1001
    counts.flush(now + KEPT_FOR)
    (event,) = events(sql, "token:throttled")
    assert (event.address, event.detail["times"]) == (None, 199)


def test_what_the_database_did_not_take_is_written_later(app: Flask, sql: Sql) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    now = clock.now()
    refused = Refused(Event.TOKEN_THROTTLED, "throttled", "/", "198.51.100.1")
    for _ in range(3):
        counts.is_first(refused, now)
    sql.execute(text("ALTER TABLE audit_events RENAME TO audit_events_away"))
    sql.commit()
    counts.flush(now + KEPT_FOR)
    sql.execute(text("ALTER TABLE audit_events_away RENAME TO audit_events"))
    sql.commit()
    counts.flush(now + KEPT_FOR)
    assert [event.detail["times"] for event in events(sql, "token:throttled")] == [2]


def test_a_token_that_is_refused_leaves_an_event_with_a_count(
    app: Flask, auth: Auth, sql: Sql, travel: Travel
) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    pair = auth.tokens()
    for _ in range(5):
        assert auth.me("no.token.ofours").status_code == 401
    auth.logout(refresh=pair["refresh"])
    assert auth.me(pair["access"]).get_json()["reason"] == "revoked"
    assert auth.refresh(pair["refresh"]).get_json()["reason"] == "revoked"
    counts.flush(clock.now())
    told = {(e.reason, e.route, e.detail["times"]) for e in events(sql, "token:refused")}
    assert told == {("not_ours", "/api/auth/me/", 5), ("revoked", "/api/auth/me/", 1)}
    assert len(events(sql, "session:refresh_refused")) == 1
    travel(61)
    counts.flush(clock.now())
    assert len(events(sql, "token:refused")) == 2


def test_an_expired_access_token_is_nothing_to_tell_and_an_expired_refresh_token_is(
    app: Flask, auth: Auth, sql: Sql, travel: Travel
) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    pair = auth.tokens()
    travel(13 * 3600)
    assert auth.me(pair["access"]).get_json()["reason"] == "expired"
    assert auth.refresh(pair["refresh"]).status_code == 401
    counts.flush(clock.now())
    told = [(e.reason, e.route) for e in events(sql, "token:refused")]
    assert told == [("expired", "/api/auth/refresh/")]


def test_the_right_password_waits_too(auth: Auth) -> None:
    for _ in range(5):
        attempt(auth)
    assert attempt(auth, password=PASSWORD).status_code == 429
    assert attempt(auth, password=PASSWORD, address="198.51.100.9").status_code == 200


def test_no_spelling_of_the_account_or_the_path_dodges_the_limit(auth: Auth) -> None:
    variants: list[dict[str, Any]] = [
        {"email": EMAIL.upper()},
        {"email": f"  {EMAIL}"},
        {"email": "ｎｕｒｓｅ@ward.example"},
        {"path": "/api/token/"},
        {"path": "/api/auth/login"},
    ]
    assert statuses([attempt(auth, **variant) for variant in variants]) == [401] * 5
    more: list[dict[str, Any]] = [
        {},
        *variants,
        {"path": "/api/token"},
        {"headers": {"X-Forwarded-For": "203.0.113.5"}},
        {"headers": {"Forwarded": "for=203.0.113.5", "X-Real-IP": "203.0.113.5"}},
        {"body": {"device_name": "another"}},
        {"body": {"user_type": "nurse"}},
    ]
    assert statuses([attempt(auth, **variant) for variant in more]) == [429] * len(more)


def test_an_unknown_account_is_throttled_alike(auth: Auth) -> None:
    unknown = [attempt(auth, "nobody@ward.example") for _ in range(6)]
    known = [attempt(auth) for _ in range(6)]
    assert statuses(unknown) == statuses(known)
    for one, other in zip(unknown, known, strict=True):
        mine, theirs = one.get_json(), other.get_json()
        assert mine.pop("request_id") != theirs.pop("request_id")
        assert mine == theirs
        assert [*one.headers.keys()] == [*other.headers.keys()]


def test_behind_a_trusted_proxy_the_client_s_address_counts(make_app: MakeApp) -> None:
    auth = Auth(make_app(ratelimit_enabled=True, trusted_proxies=1))
    for _ in range(5):
        attempt(auth, headers={"X-Forwarded-For": "203.0.113.5"})
    same = {"X-Forwarded-For": "10.9.8.7, 203.0.113.5"}  # the client made the first one up
    assert attempt(auth, headers=same).status_code == 429
    assert attempt(auth, headers={"X-Forwarded-For": "203.0.113.6"}).status_code == 401


def test_twenty_refused_logins_a_minute_are_enough_for_one_address(auth: Auth) -> None:
    answers = [attempt(auth, f"guess{number}@ward.example") for number in range(21)]
    assert statuses(answers) == [401] * 20 + [429]
    assert attempt(auth, "guess99@ward.example", address="198.51.100.2").status_code == 401


def test_a_shift_change_behind_one_address_is_let_in(auth: Auth) -> None:
    for number in range(30):
        email = f"nurse{number}@ward.example"
        auth.create_user(email)
        assert attempt(auth, email, password=PASSWORD).status_code == 200


def test_three_hundred_logins_a_minute_are_all_that_one_address_gets(
    auth: Auth, redis_client: redis.Redis
) -> None:
    auth.create_user("many@ward.example")
    assert attempt(auth, "many@ward.example", password=PASSWORD).status_code == 200
    (key,) = [str(key) for key in redis_client.scan_iter(match="*login-all*")]
    newest = redis_client.lindex(key, 0)
    assert newest is not None
    redis_client.lpush(key, *[newest] * 299)
    answer = attempt(auth, "other@ward.example", password=PASSWORD)
    assert answer.status_code == 429


def test_a_session_refreshes_a_hundred_and_twenty_times_a_minute(auth: Auth) -> None:
    pair, elsewhere = auth.tokens(), auth.tokens()
    answers = [auth.refresh(pair["refresh"]) for _ in range(121)]
    assert statuses(answers) == [200] * 120 + [429]
    assert auth.refresh(elsewhere["refresh"]).status_code == 200
    assert auth.refresh(claims_forged(pair["refresh"])).status_code == 401


def claims_forged(token: str) -> str:
    """Return a forged token that claims the same session."""
    assert claims_of(token)["sid"]
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'A' * len(signature)}"


def test_a_stranger_s_forgeries_do_not_use_up_a_session_s_refreshes(auth: Auth) -> None:
    pair = auth.tokens()
    forged = claims_forged(pair["refresh"])
    assert statuses([auth.refresh(forged) for _ in range(130)]) == [401] * 130
    assert auth.refresh(pair["refresh"]).status_code == 200


def test_the_token_endpoints_share_a_limit_by_address(
    auth: Auth, redis_client: redis.Redis
) -> None:
    pair = auth.tokens()
    assert auth.verify(pair["access"]).status_code == 200
    (key,) = [str(key) for key in redis_client.scan_iter(match="*/token/600*")]
    redis_client.lpush(key, *[str(redis_client.lindex(key, 0))] * 599)
    throttled = [auth.verify(pair["access"]), auth.refresh(pair["refresh"]), auth.logout("x")]
    assert statuses(throttled) == [429] * 3
    assert auth.me(pair["access"]).status_code == 200


def test_a_throttled_account_s_live_sessions_go_on(auth: Auth) -> None:
    pair = auth.tokens()
    assert attempt(auth, address="127.0.0.1").status_code == 401
    answers = [attempt(auth, address="127.0.0.1") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert auth.me(pair["access"]).status_code == 200
    assert auth.refresh(pair["refresh"]).status_code == 200


def test_redis_learns_no_address_of_a_person(auth: Auth, redis_client: redis.Redis) -> None:
    for _ in range(6):
        attempt(auth)
    auth.refresh(auth.tokens()["refresh"])
    names = [str(key) for key in redis_client.scan_iter()]
    limits = [name for name in names if name.startswith(PREFIX)]
    assert limits
    assert all(name.startswith((PREFIX, "carelink:revoked:")) for name in names)
    assert not [name for name in names if "nurse" in name or "@" in name or "ward" in name]


def test_other_routes_never_touch_the_limiter(
    auth: Auth, app: Flask, redis_client: redis.Redis
) -> None:
    access = auth.tokens()["access"]
    assert app.extensions["carelink"].pulse.beat()
    assert auth.me(access).status_code == 200  # connects
    redis_client.config_resetstat()
    for path in ("/", "/health/live/", "/api/openapi.json", "/nothing"):
        auth.get(path)
    for path in ("/api/appointments/", "/api/auth/me/", "/api/auth/sessions/"):
        auth.get(path, access)
    calls = {name for name in redis_client.info("commandstats") if "config" not in name}
    # An earlier test's application may still listen: it pings, as the limiter never does.
    assert calls <= {"cmdstat_mget", "cmdstat_ping"}


def test_more_logins_at_once_than_may_wait_for_a_hash_are_told_to_come_back(
    auth: Auth, app: Flask, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.BoundedSemaphore(1)
    assert full.acquire()
    monkeypatch.setattr(app.extensions["carelink.passwords"], "_places", full)
    answer = attempt(auth, password=PASSWORD)
    assert (answer.status_code, answer.get_json()["code"]) == (429, "throttled")
    assert answer.headers["Retry-After"] == "1"
    assert [event.outcome for event in events(sql)] == ["refused"]
    full.release()
    assert attempt(auth, password=PASSWORD).status_code == 200


def test_while_redis_is_down_the_worker_still_limits(
    make_app: MakeApp, own_valkey: ValkeyServer
) -> None:
    auth = Auth(make_app(ratelimit_enabled=True, redis_url=own_valkey.url))
    assert attempt(auth).status_code == 401
    own_valkey.kill()
    answers = [attempt(auth) for _ in range(8)]
    assert statuses(answers)[0] == 401
    assert statuses(answers)[-1] == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_a_hung_redis_holds_up_a_login_only_shortly(
    make_app: MakeApp, own_valkey: ValkeyServer
) -> None:
    auth = Auth(make_app(ratelimit_enabled=True, redis_url=own_valkey.url))
    assert attempt(auth).status_code == 401
    own_valkey.pause()
    try:
        answers = [attempt(auth) for _ in range(7)]
    finally:
        own_valkey.resume()
    assert statuses(answers)[-1] == 429
    assert all(status in (401, 429) for status in statuses(answers))


def test_the_addresses_of_one_ipv6_host_count_as_one_where_tokens_are_refused(
    app: Flask, auth: Auth, sql: Sql
) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    for host in range(20):
        there = {"REMOTE_ADDR": f"2001:db8:0:7:{host:x}::1"}
        auth.client.get("/api/auth/me/", headers=bearer("no.token.ofours"), environ_overrides=there)
    counts.flush(clock.now())
    (event,) = events(sql, "token:refused")
    assert (event.address, event.detail["times"]) == ("2001:db8:0:7::", 20)


def test_counts_stay_bounded_while_the_database_takes_none(app: Flask, sql: Sql) -> None:
    counts: RefusalCounts = app.extensions[EXTENSION]
    now = clock.now()
    sql.execute(text("ALTER TABLE audit_events RENAME TO audit_events_away"))
    sql.commit()

    def more_come(*_: Any) -> None:
        """A thousand others, while the worker waits for the database."""
        for i in range(MOST):
            address = f"10.{minute}.{i >> 8}.{i & 255}"
            counts.note(Refused(Event.TOKEN_REFUSED, "not_ours", "/", address), now)

    sql_event.listen(counts._engine, "engine_connect", more_come)
    for minute in range(4):  # noqa: B007  # `more_come` reads it
        more_come()
        now += KEPT_FOR
        counts.flush(now)
    sql_event.remove(counts._engine, "engine_connect", more_come)
    assert len(counts._minutes) <= MOST + 1
    sql.execute(text("ALTER TABLE audit_events_away RENAME TO audit_events"))
    sql.commit()
    counts.flush(now + KEPT_FOR)
    told = events(sql, "token:refused")
    assert sum(each.detail["times"] for each in told) == 8 * MOST, "none is lost"
