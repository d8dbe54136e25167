"""Revoking by the operations API: dry run, reason, a fresh credential, and never twice."""

import threading
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.events import Event, Outcome
from carelink_api.ops.api import revocations
from carelink_api.sessions.denylist import session_key
from carelink_api.sessions.revoking import revoke
from tests.auth_helper import PASSWORD, Auth
from tests.conftest import MakeApp, Travel
from tests.engines import clock_that_stays
from tests.ops.commands import NO_REDIS, sqlite_only
from tests.ops.operator import (
    ANNA,
    BEN,
    CLEO,
    PIET,
    WHY,
    Logged,
    Operator,
    live,
    passes,
    sid,
    trail,
    unit_id,
)
from tests.sessions.helpers import insert_sessions

ACTS = (
    Event.REVOCATION_PREVIEWED,
    Event.REVOCATION_BEGUN,
    Event.REVOCATION_FINISHED,
    Event.SESSION_REVOKED,
)


def selections(sql: Sql, ward: Logged) -> dict[str, tuple[dict[str, Any], set[str]]]:
    """Return each way to select, and whom it means."""
    return {
        "a session": ({"session": sid(ward[ANNA])}, {ANNA}),
        "a user": ({"user_id": ward[BEN]["user"]["id"]}, {BEN}),
        "a unit": ({"unit_id": unit_id(sql, "ICU")}, {ANNA}),
        "a user type": ({"user_type": "nurse"}, {ANNA, BEN}),
        "patients": ({"user_type": "patient"}, {CLEO}),
        "a profile": ({"profile": "high_security"}, {ANNA}),
        "an address range": ({"address_range": "127.0.0.0/8"}, {ANNA, BEN, PIET}),
        "everyone": ({"everyone": True}, {ANNA, BEN, CLEO, PIET}),
    }


WAYS = ["a session", "a user", "a unit", "a user type", "patients", "a profile", "an address range",
        "everyone"]  # fmt: skip


@sqlite_only
@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_says_what_would_end_and_ends_nothing(
    piet: Operator, ward: Logged, sql: Sql, way: str
) -> None:
    which, who = selections(sql, ward)[way]
    before = live(sql)
    said = piet.preview(**which)
    assert (said["selected"], said["users"]) == (len(who), len(who))
    assert (said["dry_run"], said["ended"], said["done"]) == (True, 0, False)
    assert said["includes_own"] == (PIET in who)
    assert sum(each["sessions"] for each in said["by_user_type"]) == len(who)
    assert live(sql) == before
    (event,) = trail(sql, *ACTS)
    assert (event.event, event.actor) == (Event.REVOCATION_PREVIEWED, f"user:{piet.account.id}")
    assert event.detail["selected"] == len(who)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_selected_ends_and_nothing_else(
    app: Flask, piet: Operator, ward: Logged, sql: Sql, redis_client: redis.Redis, way: str
) -> None:
    which, who = selections(sql, ward)[way]
    everybody = ward | {PIET: piet.tokens}
    said = piet.revoke(**which)
    assert (said["ended"], said["remaining"], said["done"]) == (len(who), 0, True)
    assert live(sql) == {sid(everybody[email]) for email in everybody if email not in who}
    for email, tokens in everybody.items():
        assert passes(app, tokens) == (email not in who), email
        assert bool(redis_client.exists(session_key(sid(tokens)))) == (email in who)


@sqlite_only
def test_everything_about_a_revocation_is_in_the_trail(
    piet: Operator, ward: Logged, sql: Sql
) -> None:
    piet.revoke(user_type="nurse")
    begun, *ended, finished = trail(sql, *ACTS)
    assert (begun.event, finished.event) == (Event.REVOCATION_BEGUN, Event.REVOCATION_FINISHED)
    assert {event.sid for event in ended} == {sid(ward[ANNA]), sid(ward[BEN])}
    for event in (begun, *ended, finished):
        assert event.actor == f"user:{piet.account.id}"
        assert event.detail["why"] == WHY
        assert (event.detail.get("selection") or event.detail)["user_type"] == "nurse"
    assert begun.detail["selected"] == 2
    assert (finished.detail["ended"], finished.detail["remaining"]) == (2, 0)


@sqlite_only
def test_sent_again_it_ends_nothing_more(piet: Operator, ward: Logged, sql: Sql) -> None:
    first, again = (piet.revoke(user_type="nurse") for _ in range(2))
    assert (first["ended"], again["ended"], again["selected"]) == (2, 0, 0)
    assert again["done"]
    assert len(trail(sql, Event.SESSION_REVOKED)) == 2


@sqlite_only
def test_more_than_the_dry_run_said_ends_nothing(
    piet: Operator, auth: Auth, ward: Logged, sql: Sql
) -> None:
    said = piet.preview(user_type="nurse")["selected"]
    auth.tokens(ANNA)
    before = live(sql)
    refused = piet.post("revocations", user_type="nurse", dry_run=False, at_most=said, reason=WHY)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "selection_grew")
    assert refused.get_json()["selected"] == 3
    assert live(sql) == before
    (event,) = trail(sql, Event.OPERATION_REFUSED)
    assert (event.reason, event.outcome) == ("selection_grew", Outcome.REFUSED)


@sqlite_only
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "_schema"),
        ({"user_type": "nurse", "everyone": True}, "_schema"),
        ({"everyone": False}, "everyone"),
        ({"session": "A" * 22}, "session"),
        ({"session": "short"}, "session"),
        ({"user_id": 4711}, "user_id"),
        ({"unit_id": 4711}, "unit_id"),
        ({"user_type": "ghost"}, "user_type"),
        ({"address_range": "ward 7"}, "address_range"),
        ({"address_range": "10.20.30.40/16"}, "address_range"),
        ({"address_range": "10.0.0.0/8", "everyone": True}, "_schema"),
        ({"everyone": True, "reason": "x"}, "reason"),
        ({"everyone": True, "dry_run": "yes"}, "dry_run"),
        ({"everyone": True, "dry_run": False}, "at_most"),
        ({"everyone": True, "dry_run": False, "at_most": 9, "reason": None}, "reason"),
    ],
)
def test_an_order_that_is_not_clear_ends_nothing(
    piet: Operator, sql: Sql, body: dict[str, Any], field: str
) -> None:
    before = live(sql)
    refused = piet.post("revocations", **({"dry_run": True, "reason": WHY} | body))
    assert refused.status_code == 422
    assert list(refused.get_json()["errors"]) == [field]
    assert live(sql) == before


@sqlite_only
@pytest.mark.parametrize("path", ["revocations", "denylist/flush"])
def test_what_cannot_be_undone_needs_a_fresh_credential(
    piet: Operator, ward: Logged, sql: Sql, travel: Travel, path: str
) -> None:
    order = {"user_type": "nurse", "dry_run": False, "at_most": 9} if path == "revocations" else {}
    travel(301)
    asked = piet.post(path, reason=WHY, **order)
    assert (asked.status_code, asked.get_json()["code"]) == (
        401,
        "insufficient_user_authentication",
    )
    assert 'max_age="300"' in asked.headers["WWW-Authenticate"]
    wrong = piet.post(path, reason=WHY, password="not it at all", **order)
    assert (wrong.status_code, wrong.get_json()["code"]) == (401, "invalid_credentials")
    assert len(live(sql)) == 4
    assert [event.reason for event in trail(sql, Event.OPERATION_REFUSED)] == [
        "credential_not_fresh"
    ]
    assert [event.reason for event in trail(sql, Event.PASSWORD_REFUSED)] == ["wrong_password"]
    assert piet.post(path, reason=WHY, password=PASSWORD, **order).status_code == 200


@sqlite_only
def test_a_dry_run_needs_none(piet: Operator, travel: Travel) -> None:
    travel(301)
    assert piet.preview(everyone=True)["selected"] == 4


@sqlite_only
@pytest.mark.settings(ratelimit_enabled=True)
def test_passwords_cannot_be_tried_out(piet: Operator, ward: Logged) -> None:
    order = {"user_type": "nurse", "dry_run": False, "at_most": 9, "reason": WHY}
    tries = [piet.post("revocations", password="not it at all", **order) for _ in range(6)]
    assert [answer.status_code for answer in tries] == [401] * 5 + [429]


def test_a_call_works_for_a_bounded_time_and_the_same_call_goes_on(
    piet: Operator, ward: Logged, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "WORKS_FOR_SECONDS", 0.0)
    monkeypatch.setattr(revocations, "revoke", partial(revoke, batch_size=3))
    insert_sessions(sql, ward[BEN]["user"]["id"], 5, clock.now())
    calls = [piet.revoke(everyone=True)]
    while not calls[-1]["done"]:
        assert sid(piet.tokens) in live(sql), "who asks is not thrown out before the end"
        calls.append(piet.revoke(everyone=True))
    assert [call["ended"] for call in calls] == [3, 3, 3]
    assert [call["remaining"] for call in calls] == [5, 2, 0]
    assert live(sql) == set()
    assert len(trail(sql, Event.SESSION_REVOKED)) == 9


def test_everyone_means_the_operator_too_and_every_login_of_before(
    app: Flask, piet: Operator, ward: Logged
) -> None:
    assert piet.revoke(everyone=True)["includes_own"]
    refused = piet.auth.get("/api/ops/numbers/", piet.tokens["access"])
    assert (refused.status_code, refused.get_json()["reason"]) == (401, "revoked")
    pulse = app.extensions["carelink"].pulse
    assert pulse.beat()
    assert pulse.refuses_login_at(int(clock.wall()) - 5)
    piet.log_in()
    assert piet.ask("numbers")["sessions"]["total"] == 1


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_of_its_own_does_not_say_who_has_logged_in_before_now(
    hours: int, piet: Operator, ward: Logged, sql: Sql
) -> None:
    order = {"everyone": True, "dry_run": False, "at_most": 99, "reason": WHY}
    with clock_that_stays(timedelta(hours=hours)):
        answer = piet.post("revocations", **order)
        assert (answer.status_code, "clock" in answer.get_json()["detail"]) == (503, True)
        assert answer.headers["Retry-After"]
        assert len(live(sql)) == 4
        assert not trail(sql, Event.REVOCATION_BEGUN)
        assert piet.revoke(user_type="nurse")["done"]  # which needs no clock
    assert piet.revoke(everyone=True)["done"]


@sqlite_only
def test_redis_that_does_not_take_it_leaves_it_pending_and_it_holds(
    make_app: MakeApp, app: Flask, auth: Auth, ward: Logged
) -> None:
    Operator(auth)
    lame = make_app(redis_url=NO_REDIS)
    assert lame.extensions["carelink"].pulse.beat()
    piet = Operator(Auth(lame), "other@ops.example")
    answer = piet.post("revocations", user_type="nurse", dry_run=False, at_most=9, reason=WHY)
    assert (answer.status_code, answer.get_json()["pending"]) == (202, True)
    assert answer.get_json()["ended"] == 2
    assert not passes(lame, ward[ANNA])


def test_two_operators_at_once_end_each_session_once(
    app: Flask, auth: Auth, piet: Operator, ward: Logged, sql: Sql
) -> None:
    insert_sessions(sql, ward[BEN]["user"]["id"], 60, clock.now())
    people = [piet, Operator(Auth(app), "rita@ops.example")]
    said: list[Any] = []

    def order(who: Operator) -> None:
        said.append(who.revoke(user_type="nurse"))

    _at_once([threading.Thread(target=order, args=(who,)) for who in people])
    assert sum(each["ended"] for each in said) == 62
    assert all(each["done"] for each in said)
    assert set(Counter(event.sid for event in trail(sql, Event.SESSION_REVOKED)).values()) == {1}


def test_who_logs_in_meanwhile_is_out_or_logged_in_afterwards_and_never_half(
    app: Flask, piet: Operator, ward: Logged, sql: Sql
) -> None:
    """Revoking ends sessions, it locks no account: a later login is another session."""
    logins: list[dict[str, Any]] = []
    user_id = ward[ANNA]["user"]["id"]

    def log_in() -> None:
        logins.append(Auth(app).tokens(ANNA))

    def order() -> None:
        piet.revoke(user_id=user_id)

    _at_once([threading.Thread(target=each) for each in [log_in] * 3 + [order] + [log_in] * 2])
    alive = live(sql)
    for tokens in logins:
        assert passes(app, tokens) == (sid(tokens) in alive)
    assert not passes(app, ward[ANNA])
    piet.revoke(user_id=user_id)
    assert not any(passes(app, tokens) for tokens in logins)


def _at_once(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
