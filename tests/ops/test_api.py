"""What the operations API shows, to whom, and what it never shows."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event as Gate
from typing import Any, cast

import pytest
import redis
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import UserType
from carelink_api.audit.events import Event, Outcome
from carelink_api.auth.refusal_counts import EXTENSION, KEPT_FOR
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.ops.api.numbers import SERIES, MinuteCounts
from carelink_api.ops.api.trail import SHOWN
from carelink_api.sessions.denylist import session_key
from tests.auth.helpers import statements
from tests.auth_helper import Auth, bearer
from tests.conftest import MakeApp, Travel
from tests.ops.commands import NO_REDIS, sqlite_only
from tests.ops.operator import (
    ANNA,
    BEN,
    CLEO,
    WHY,
    Logged,
    Operator,
    epoch,
    passes,
    sid,
    trail,
)

ROUTES = [
    ("GET", "numbers/"),
    ("GET", "sessions/"),
    ("GET", "denylist/"),
    ("GET", "events/"),
    ("GET", "break-glass/"),
    ("GET", "health/"),
    ("POST", "revocations/"),
    ("POST", "denylist/flush/"),
]
BODIES = {
    "revocations/": {"everyone": True, "dry_run": False, "at_most": 99, "reason": WHY},
    "denylist/flush/": {"reason": WHY},
}


def call(auth: Auth, method: str, path: str, access: str | None) -> Any:
    headers = bearer(access) if access else {}
    body = BODIES.get(path)
    return auth.client.open(f"/api/ops/{path}", method=method, json=body, headers=headers)


@sqlite_only
@pytest.mark.parametrize("user_type", [each for each in UserType if each is not UserType.OPS])
def test_nobody_but_an_operator_sees_or_does_anything(
    auth: Auth, ward: Logged, sql: Sql, user_type: str
) -> None:
    auth.create_user("other@x.example", user_type)
    access = auth.tokens("other@x.example")["access"]
    for method, path in ROUTES:
        assert call(auth, method, path, None).status_code == 401
        answer = call(auth, method, path, access)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden"), path
    refused = trail(sql, Event.OPERATION_REFUSED)
    assert [event.route for event in refused] == [f"/api/ops/{path}" for _, path in ROUTES]
    assert {event.reason for event in refused} == {"not_an_operator"}
    assert all(passes(auth.app, tokens) for tokens in ward.values())


def test_numbers_count_who_is_logged_in(piet: Operator, ward: Logged) -> None:
    found = piet.ask("numbers")["sessions"]
    assert found["total"] == 4
    assert [(unit["name"], unit["sessions"]) for unit in found["by_unit"]] == [
        ("ICU", 1),
        ("Ward 7", 1),
    ]
    assert found["without_unit"] == 2
    counted = {each["user_type"]: each["sessions"] for each in found["by_user_type"]}
    assert counted == {"patient": 1, "nurse": 2, "ops": 1, "doctor": 0, "researcher": 0, "admin": 0}


def test_numbers_tell_minute_by_minute_what_happened(
    auth: Auth, piet: Operator, ward: Logged, travel: Travel
) -> None:
    """Each thing that happens counts once, and in one series."""
    travel(60 - clock.now().second + 1)  # to a minute in which nothing has happened yet
    before = totals(piet.ask("numbers"))
    anna = auth.tokens(ANNA)
    auth.login(ANNA, "wrong password")
    first = auth.refresh(anna["refresh"]).get_json()
    assert auth.refresh(anna["refresh"]).get_json()["reissued"]
    auth.refresh(first["refresh"])
    travel(60)
    assert auth.refresh(anna["refresh"]).status_code == 401  # long retired: reuse
    assert auth.refresh(first["refresh"]).status_code == 401
    auth.logout(ward[BEN]["refresh"])
    numbers = piet.ask("numbers")
    after = totals(numbers)
    assert {name: after[name] - before[name] for name in SERIES} == {
        "logins": 1,
        "refreshes": 2,
        "reissues": 1,
        "reuse_alarms": 1,
        "refusals": 2,
        "throttles": 0,
        "ended": 1,
    }
    series = numbers["last_hour"]["series"]
    assert (series["logins"][-2:], series["reuse_alarms"][-2:]) == ([1, 0], [0, 1])
    assert epoch(numbers["last_hour"]["starts_at"]) % 60 == 0
    assert 59 * 60 <= epoch(numbers["at"]) - epoch(numbers["last_hour"]["starts_at"]) < 3600


@sqlite_only
@pytest.mark.settings(ratelimit_enabled=True)
def test_numbers_tell_of_what_was_throttled(auth: Auth, piet: Operator, travel: Travel) -> None:
    answers = [auth.login("nobody@x.example", "wrong").status_code for _ in range(7)]
    travel(KEPT_FOR.total_seconds())
    piet.auth.app.extensions[EXTENSION].flush(clock.now())
    found = totals(piet.ask("numbers"))
    assert (found["throttles"], found["refusals"]) == (answers.count(429), answers.count(401))


@sqlite_only
def test_an_hour_later_it_is_forgotten_and_minutes_that_are_over_are_read_once(
    piet: Operator, travel: Travel
) -> None:
    assert totals(piet.ask("numbers"))["logins"] == 4
    travel(30 * 60)
    piet.log_in()
    assert totals(piet.ask("numbers"))["logins"] == 5
    travel(31 * 60)
    piet.log_in()
    with statements() as seen:
        assert totals(piet.ask("numbers"))["logins"] == 2
    assert len([each for each in seen if "audit_events" in each]) == 1


def totals(numbers: Any) -> dict[str, int]:
    series = numbers["last_hour"]["series"]
    assert {len(counts) for counts in series.values()} == {60}
    return {name: sum(counts) for name, counts in series.items()}


def test_no_event_counts_twice_and_none_that_is_counted_is_hidden() -> None:
    counted = [event for events in SERIES.values() for event in events]
    assert len(counted) == len(set(counted))
    assert set(counted) <= SHOWN


@sqlite_only
def test_polling_is_no_activity_and_leaves_no_events(app: Flask, piet: Operator, sql: Sql) -> None:
    piet.ask("events")
    before = len(trail(sql, *Event))
    for path in ("numbers", "health", "break-glass"):
        piet.ask(path)
    piet.ask("events", after=1)
    assert len(trail(sql, *Event)) == before


def test_the_denylist_is_shown_and_can_be_dropped_without_letting_anybody_in(
    app: Flask, auth: Auth, piet: Operator, ward: Logged, redis_client: redis.Redis, sql: Sql
) -> None:
    auth.logout(ward[BEN]["refresh"])
    shown = piet.ask("denylist")
    assert shown["answers"]
    assert (shown["entries"]["sessions"], shown["should_hold_sessions"]) == (1, 1)
    assert shown["entries"]["complete"]
    assert [server["policy"] for server in shown["servers"]] == ["noeviction"]
    flushed = piet.done("denylist/flush", reason=WHY)
    assert (flushed["kept"], flushed["done"]) == (0, True)
    assert not redis_client.exists(session_key(sid(ward[BEN])))
    assert not passes(app, ward[BEN])
    assert passes(app, ward[ANNA])
    (event,) = trail(sql, Event.DENYLIST_FLUSHED)
    assert (event.actor, event.detail["why"]) == (f"user:{piet.account.id}", WHY)
    assert piet.done("denylist/flush", reason=WHY)["removed"] == 0


@sqlite_only
def test_what_redis_alone_refuses_is_not_dropped(
    piet: Operator, ward: Logged, redis_client: redis.Redis
) -> None:
    key = session_key(sid(ward[CLEO]))
    redis_client.set(key, "revoked:1")  # of a database that was restored from a backup
    assert piet.done("denylist/flush", reason=WHY)["kept"] == 1
    assert redis_client.exists(key)


@sqlite_only
def test_without_redis_the_console_still_shows_what_is_wrong(
    make_app: MakeApp, auth: Auth, ward: Logged
) -> None:
    lame = make_app(redis_url=NO_REDIS)
    assert lame.extensions["carelink"].pulse.beat()
    piet = Operator(Auth(lame))
    assert piet.ask("denylist") == {
        "answers": False, "entries": None, "servers": [], "warnings": [], "should_hold_sessions": 0,
    }  # fmt: skip
    refused = piet.post("denylist/flush", reason=WHY)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "unavailable")
    health = piet.ask("health")
    found = {each["name"]: each for each in health["findings"]}
    assert (health["status"], found["redis"]["state"]) == ("degraded", "warn")
    assert "Nobody is thrown out" in found["redis"]["means"]
    assert piet.ask("numbers")["sessions"]["total"] == 4


@sqlite_only
def test_health_says_that_all_is_well(piet: Operator) -> None:
    with piet.auth.app.app_context():
        Housekeeper(piet.auth.app.extensions["carelink"]).round(db.session(), clock.now())
    health = piet.ask("health")
    assert health["status"] == "ready"
    assert [(each["name"], each["state"]) for each in health["findings"]] == [
        ("database", "ok"),
        ("redis", "ok"),
        ("pulse", "ok"),
        ("housekeeper", "ok"),
    ]


@sqlite_only
def test_health_misses_a_housekeeper_that_does_not_run(piet: Operator) -> None:
    found = {each["name"]: each for each in piet.ask("health")["findings"]}
    assert found["housekeeper"]["state"] == "warn"
    assert "flask --app wsgi housekeep" in found["housekeeper"]["mend"]


@sqlite_only
def test_refusals_carry_an_outcome(piet: Operator, sql: Sql, auth: Auth, ward: Logged) -> None:
    assert call(auth, "GET", "numbers/", ward[ANNA]["access"]).status_code == 403
    (event,) = piet.ask("events")["items"]
    assert (event["event"], event["outcome"]) == ("operation:refused", Outcome.REFUSED)
    assert event["actor_name"] == "Anna"


class SlowDatabase:
    """Answers nobody until it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = Gate(), Gate()

    def execute(self, *_: object) -> list[tuple[int, str, int]]:
        self.asked.set()
        assert self.may_answer.wait(60)
        return []


def test_consoles_do_not_queue_behind_one_that_waits_for_the_database() -> None:
    """Each would hold a thread and a connection of those who work."""
    counts, slow, now = MinuteCounts(), SlowDatabase(), clock.now()
    slow.may_answer.set()
    known = counts.last_hour(cast(Sql, slow), now)
    slow.may_answer.clear()
    slow.asked.clear()
    with ThreadPoolExecutor(2) as pool:
        waits = pool.submit(counts.last_hour, cast(Sql, slow), now)
        assert slow.asked.wait(60)
        try:
            assert pool.submit(counts.last_hour, cast(Sql, slow), now).result(60) == known
            assert not waits.done()
        finally:
            slow.may_answer.set()
        assert waits.result(60) == known
