"""Use cases of accounts on real stores."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts import service
from carelink_api.accounts.login_delay import NEVER, delayed_until
from carelink_api.accounts.models import User
from carelink_api.accounts.password_rules import COMMON, TOO_SHORT
from carelink_api.audit.models import AuditEvent
from carelink_api.database import writing
from carelink_api.errors import CareLinkError, ValidationFailed
from carelink_api.extensions import db

NOW = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
LONG_AGO = {"occurred_at": "2026-03-01T06:30:00.000000Z"}
"""What an event says beside its own time, which is that of writing."""
PASSWORD = "green tea before the night shift"

Create = Callable[..., User]


@pytest.fixture
def create(app: Flask, sql: Sql) -> Create:
    """Create a user; every argument has a default."""

    def create(**given: Any) -> User:
        wanted: dict[str, Any] = {
            "email": "anna.berg@ward.example",
            "name": "Anna Berg",
            "user_type": "nurse",
            "unit_name": None,
            "password": PASSWORD,
            "now": NOW,
            "actor": "cli",
        }
        with app.app_context():
            return service.create_user(sql, **{**wanted, **given})

    return create


def events(sql: Sql, name: str) -> list[AuditEvent]:
    return list(sql.scalars(select(AuditEvent).where(AuditEvent.event == name)))


def fail(sql: Sql, user_id: int, times: int, now: datetime = NOW) -> None:
    for _ in range(times):
        with writing(sql):
            service.record_failed_login(sql, user_id, now)


def stored(sql: Sql, email: str = "anna.berg@ward.example") -> User:
    sql.rollback()
    return service.get_user(sql, email)


def test_a_created_user_is_found_however_the_address_is_typed(sql: Sql, create: Create) -> None:
    created = create(email=" Anna.Berg@WARD.example ")
    found = service.find_user(sql, "anna.berg@ward.EXAMPLE")
    assert found is not None
    assert (found.id, found.email) == (created.id, "anna.berg@ward.example")


def test_the_password_is_stored_as_an_argon2id_hash_only(sql: Sql, create: Create) -> None:
    create()
    assert stored(sql).password_hash.startswith("$argon2id$")


def test_creating_a_user_is_audited_by_id_without_address_or_name(sql: Sql, create: Create) -> None:
    user = create()
    (event,) = events(sql, "user:created")
    assert (event.user_id, event.actor) == (user.id, "cli")
    assert event.detail == {"user_type": "nurse", "unit_id": None} | LONG_AGO


def test_a_user_of_a_unit_belongs_to_it(sql: Sql, create: Create) -> None:
    service.create_unit(sql, name="ICU", profile="high_security", now=NOW, actor="cli")
    create(unit_name="ICU")
    unit = stored(sql).unit
    assert unit is not None
    assert (unit.name, unit.session_profile) == ("ICU", "high_security")


def test_an_address_is_taken_once_in_whatever_form(sql: Sql, create: Create) -> None:
    create()
    with pytest.raises(service.EmailTaken):
        create(email="ANNA.berg@ward.example")
    assert len(service.list_users(sql)) == 1
    assert len(events(sql, "user:created")) == 1


@pytest.mark.parametrize(
    "email", ["", "anna", "@ward", "anna@", "a b@c", "a@b@c", "a\0@b", "a@\ud800", "a\u200b@b",
              "x" * 65 + "@b", "a@" + "b" * 253],
)  # fmt: skip
def test_what_is_no_address_creates_nothing_and_finds_nobody(
    sql: Sql, create: Create, email: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        create(email=email)
    assert list(refused.value.members["errors"]) == ["email"]
    assert service.find_user(sql, email) is None
    assert service.list_users(sql) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "Anna\x1b[31m"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"user_type": "surgeon"}, "user_type"),
        ({"user_type": "NURSE"}, "user_type"),
        ({"unit_name": "Nowhere"}, "unit"),
        ({"unit_name": ""}, "unit"),
        ({"password": "too short"}, "password"),
        ({"password": "anna.berg@ward.example"}, "password"),
    ],
)
def test_a_malformed_field_is_named_and_nothing_is_created(
    sql: Sql, create: Create, given: dict[str, str], field: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        create(**given)
    assert list(refused.value.members["errors"]) == [field]
    assert service.list_users(sql) == []
    assert events(sql, "user:created") == []


def test_a_weak_password_says_every_reason_under_the_callers_field() -> None:
    with pytest.raises(service.WeakPassword) as refused:
        service.hash_new_password("short", context=[], field="new_password")
    assert refused.value.members["errors"] == {"new_password": [TOO_SHORT, COMMON]}


def test_an_unknown_address_raises_where_someone_is_needed(sql: Sql) -> None:
    with pytest.raises(service.UnknownUser):
        service.get_user(sql, "nobody@ward.example")


def test_a_unit_is_created_once_and_audited(sql: Sql) -> None:
    unit = service.create_unit(sql, name=" Ward   7 ", profile=None, now=NOW, actor="cli")
    assert unit.name == "Ward 7"
    with pytest.raises(service.UnitExists):
        service.create_unit(sql, name="Ward 7", profile=None, now=NOW, actor="cli")
    (event,) = events(sql, "unit:created")
    assert event.detail == {"unit_id": unit.id, "profile": None} | LONG_AGO


def test_a_unit_wants_a_known_profile_and_a_name(sql: Sql) -> None:
    for name, profile, field in [("ICU", "strict", "profile"), ("", None, "name")]:
        with pytest.raises(ValidationFailed) as refused:
            service.create_unit(sql, name=name, profile=profile, now=NOW, actor="cli")
        assert list(refused.value.members["errors"]) == [field]
    assert service.list_units(sql) == []


def test_lists_are_in_order(sql: Sql, create: Create) -> None:
    for email in ("b@ward.example", "a@ward.example"):
        create(email=email)
    for name in ("Surgery", "ICU"):
        service.create_unit(sql, name=name, profile=None, now=NOW, actor="cli")
    assert [user.email for user in service.list_users(sql)] == ["a@ward.example", "b@ward.example"]
    assert [unit.name for unit in service.list_units(sql)] == ["ICU", "Surgery"]


def test_nine_failures_do_not_block(sql: Sql, create: Create) -> None:
    fail(sql, create().id, 9)
    user = stored(sql)
    assert (user.failed_logins, user.blocked_until) == (9, None)
    assert not service.is_blocked(user, NOW)


def test_the_tenth_failure_blocks_for_thirty_seconds(sql: Sql, create: Create) -> None:
    fail(sql, create().id, 10)
    user = stored(sql)
    assert user.blocked_until == NOW + timedelta(seconds=30)
    assert service.is_blocked(user, NOW + timedelta(seconds=29))
    assert not service.is_blocked(user, NOW + timedelta(seconds=30))


def test_the_database_counts_and_blocks_exactly_as_the_rule_says(sql: Sql, create: Create) -> None:
    user_id = create().id
    for failures in range(1, 103):
        with writing(sql):
            assert service.record_failed_login(sql, user_id, NOW) == failures
        assert stored(sql).blocked_until == delayed_until(failures, NOW)


def test_the_hundredth_failure_blocks_until_an_operator_acts(sql: Sql, create: Create) -> None:
    fail(sql, create().id, 100)
    user = stored(sql)
    assert user.blocked_until == NEVER
    assert service.is_blocked(user, NOW + timedelta(days=365 * 100))


def test_a_success_forgets_the_failures(sql: Sql, create: Create) -> None:
    user_id = create().id
    fail(sql, user_id, 12)
    with writing(sql):
        service.record_success(sql, user_id)
    user = stored(sql)
    assert (user.failed_logins, user.blocked_until) == (0, None)


def test_one_users_failures_leave_the_others_alone(sql: Sql, create: Create) -> None:
    create(email="li.wei@ward.example", name="Li Wei")
    fail(sql, create().id, 10)
    assert stored(sql, "li.wei@ward.example").failed_logins == 0


def test_parallel_failures_are_all_counted(app: Flask, sql: Sql, create: Create) -> None:
    user_id = create().id
    sql.rollback()

    def guess() -> None:
        with app.app_context():
            fail(db.session(), user_id, 3)
            db.session.remove()

    guessers = [threading.Thread(target=guess) for _ in range(4)]
    for guesser in guessers:
        guesser.start()
    for guesser in guessers:
        guesser.join(20)
    user = stored(sql)
    assert user.failed_logins == 12
    assert user.blocked_until == NOW + timedelta(minutes=2)


def test_two_at_once_create_one_account(app: Flask, sql: Sql) -> None:
    """The unique constraint decides; the loser is told, never shown a database error."""
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def create() -> None:
        with app.app_context():
            start.wait(10)
            try:
                service.create_user(
                    db.session(), email="li.wei@ward.example", name="Li Wei", user_type="doctor",
                    unit_name=None, password=PASSWORD, now=NOW, actor="cli",
                )  # fmt: skip
                outcomes.append("created")
            except CareLinkError as error:
                outcomes.append(error.code)
            db.session.remove()

    rivals = [threading.Thread(target=create) for _ in range(2)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join(20)
    assert sorted(outcomes) == ["created", "email_taken"]
    assert len(service.list_users(sql)) == 1
