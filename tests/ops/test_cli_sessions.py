"""The commands `sessions list` and `sessions revoke`, as an operator types them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditEvent
from carelink_api.ops import cli_sessions
from carelink_api.sessions import revoking
from carelink_api.sessions.denylist import session_key
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.engines import clock_that_stays
from tests.ops.commands import (
    NO_DATABASES,
    NO_REDIS,
    done,
    done_json,
    entries,
    refused,
    sqlite_only,
)

ANNA, BEN, CLEO = "anna@ward.example", "ben@ward.example", "cleo@home.example"
WHY = ("--reason", "lost tablet")


@pytest.fixture
def ward(auth: Auth) -> dict[str, dict[str, Any]]:
    """Three people who are logged in: two nurses, one of them in the ICU, and a patient."""
    auth.create_user(ANNA, unit="ICU", profile="high_security")
    auth.create_user(BEN, unit="Ward 3")
    auth.create_user(CLEO, user_type="patient")
    return {email: auth.tokens(email, device_name="tablet") for email in (ANNA, BEN, CLEO)}


def live(sql: Sql) -> set[str]:
    sql.rollback()
    return set(sql.scalars(select(Session.id).where(Session.ended_at.is_(None))))


def sid(tokens: dict[str, Any]) -> str:
    return str(tokens["session"]["id"])


def emails(rows: list[dict[str, Any]]) -> list[str]:
    return [row["email"] for row in rows]


def test_list_shows_who_is_logged_in(
    runner: FlaskCliRunner, ward: dict[str, dict[str, Any]]
) -> None:
    table = done(runner, "sessions", "list")
    for email, tokens in ward.items():
        (line,) = [line for line in table.splitlines() if email in line]
        assert sid(tokens) in line
        assert "tablet" in line
    assert "ICU" in table


def test_list_as_json_holds_every_fact_and_no_token(
    runner: FlaskCliRunner, ward: dict[str, dict[str, Any]]
) -> None:
    rows = done_json(runner, "sessions", "list", "--user", ANNA)
    (row,) = rows
    assert (row["sid"], row["email"], row["unit"]) == (sid(ward[ANNA]), ANNA, "ICU")
    assert (row["profile"], row["state"], row["generation"]) == ("high_security", "live", 1)
    told = ward[ANNA]["session"]["expires_at"]  # in whole seconds
    assert row["expires_at"][:19] == told[:19]
    assert row["idle_at"].endswith("Z")
    assert "eyJ" not in str(rows)
    assert "jti" not in str(rows)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--user", " ANNA@ward.example "], [ANNA]),
        (["--unit", "Ward  3"], [BEN]),
        (["--user-type", "nurse"], [ANNA, BEN]),
        (["--user-type", "nurse", "--unit", "ICU"], [ANNA]),
        (["--user-type", "patient", "--unit", "ICU"], []),
        ([], [ANNA, BEN, CLEO]),
    ],
)
@pytest.mark.usefixtures("ward")
def test_list_can_be_narrowed(
    runner: FlaskCliRunner, words: list[str], expected: list[str]
) -> None:
    assert emails(done_json(runner, "sessions", "list", *words)) == expected


def test_a_long_table_is_cut_and_says_so(
    runner: FlaskCliRunner, ward: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_sessions, "_TABLE_ROWS", 2)
    table = done(runner, "sessions", "list")
    assert CLEO not in table
    assert "The first 2 of 3: narrow it with" in table
    assert "The first" not in done(runner, "sessions", "list", "--user", CLEO)
    assert len(done_json(runner, "sessions", "list")) == 3


@sqlite_only
def test_list_says_so_when_nobody_is_logged_in(runner: FlaskCliRunner) -> None:
    assert done(runner, "sessions", "list") == "Nothing to show.\n"


def test_list_leaves_out_what_has_ended_and_marks_what_is_idle(
    runner: FlaskCliRunner, auth: Auth, ward: dict[str, dict[str, Any]], travel: Travel
) -> None:
    auth.logout(refresh=ward[BEN]["refresh"])
    travel(16 * 60 + 1)
    rows = done_json(runner, "sessions", "list")
    assert {row["email"]: row["state"] for row in rows} == {ANNA: "idle", CLEO: "live"}
    travel(12 * 3600)
    assert done_json(runner, "sessions", "list") == []


@sqlite_only
def test_a_device_name_cannot_steer_the_terminal(runner: FlaskCliRunner, auth: Auth) -> None:
    auth.create_user()
    auth.tokens(device_name="\u202etelbat")
    assert "\u202e" not in done(runner, "sessions", "list")


@pytest.mark.parametrize(
    ("words", "survivors"),
    [
        (["--user", ANNA.upper()], [BEN, CLEO]),
        (["--unit", "Ward 3"], [ANNA, CLEO]),
        (["--user-type", "nurse"], [CLEO]),
        (["--profile", "high_security"], [BEN, CLEO]),
        (["--address", "127.0.0.0/8"], []),
        (["--address", "::ffff:127.0.0.1"], []),
        (["--address", "10.0.0.0/8"], [ANNA, BEN, CLEO]),
        (["--all"], []),
    ],
)
def test_revoke_ends_the_selected_sessions_and_no_other(
    runner: FlaskCliRunner, auth: Auth, ward: dict[str, dict[str, Any]],
    words: list[str], survivors: list[str],
) -> None:  # fmt: skip
    facts = done_json(runner, "sessions", "revoke", *words, *WHY, "--yes")
    count = 3 - len(survivors)
    assert facts.pop("seconds") >= 0
    assert facts == {"selected": count, "ended": count, "ended_before": 0, "pending": False,
                     "dry_run": False}  # fmt: skip
    for email, tokens in ward.items():
        answer = auth.me(tokens["access"])
        assert answer.status_code == (200 if email in survivors else 401)
        if email not in survivors:
            assert answer.get_json()["reason"] == "revoked"
            assert auth.refresh(tokens["refresh"]).get_json()["reason"] == "revoked"


def test_revoke_ends_one_session_and_leaves_the_users_others(
    runner: FlaskCliRunner, auth: Auth, redis_client: redis.Redis, sql: Sql
) -> None:
    user = auth.create_user()
    first, second = auth.tokens(), auth.tokens()
    words = done(runner, "sessions", "revoke", "--session", sid(first), *WHY, "--yes")
    assert words == "Ended 1 session.\n"
    assert live(sql) == {sid(second)}
    assert entries(redis_client) == [session_key(sid(first))]
    event = sql.scalars(select(AuditEvent).where(AuditEvent.event == Event.SESSION_REVOKED)).one()
    assert (event.actor, event.user_id, event.sid) == ("cli", user.id, sid(first))
    assert event.detail is not None
    assert event.detail["why"] == "lost tablet"


def test_a_refused_session_that_nobody_has_ended_yet_is_marked(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any]
) -> None:
    sql.execute(update(Session).values(refuse_from=Session.started_at))  # its shift was cut short
    sql.commit()
    assert {row["state"] for row in done_json(runner, "sessions", "list")} == {"refused"}


def test_a_second_revoke_of_the_same_session_ends_nothing_more(
    runner: FlaskCliRunner, ward: dict[str, dict[str, Any]]
) -> None:
    command = ("sessions", "revoke", "--session", sid(ward[ANNA]), *WHY)
    done(runner, *command, "--yes")
    assert done(runner, *command) == "No live session matches; none was ended.\n"  # asks nothing


def test_revoke_takes_as_many_batches_as_it_needs(
    runner: FlaskCliRunner, sql: Sql, redis_client: redis.Redis, ward: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(cli_sessions, "revoke", partial(revoking.revoke, batch_size=2))
    assert done_json(runner, "sessions", "revoke", "--all", *WHY, "--yes")["ended"] == 3
    assert live(sql) == set()
    assert len(entries(redis_client)) == 3
    numbers = sql.scalars(select(Session.change_number).distinct()).all()
    assert sorted(number or 0 for number in numbers) == [1, 2]


@sqlite_only
def test_dry_run_counts_and_changes_nothing(
    runner: FlaskCliRunner, sql: Sql, redis_client: redis.Redis, ward: dict[str, Any]
) -> None:
    command = ("sessions", "revoke", "--user-type", "nurse", *WHY, "--dry-run")
    assert done(runner, *command) == "Would end 2 sessions; nothing was done.\n"
    assert done_json(runner, *command) == {
        "selected": 2, "ended": 0, "pending": False, "dry_run": True,
    }  # fmt: skip
    assert len(live(sql)) == 3
    assert entries(redis_client) == []


@sqlite_only
@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 3), ("\n", 3), ("", 3)])
def test_revoke_asks_first_and_says_how_many(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any], answer: str, left: int
) -> None:
    result = runner.invoke(args=["sessions", "revoke", "--all", *WHY], input=answer)
    assert "End 3 sessions?" in result.stderr
    assert result.exit_code == (0 if left == 0 else 1)
    assert len(live(sql)) == left


def test_an_interrupted_revoke_says_what_is_done_and_goes_on_when_run_again(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_sessions, "revoke", cut_off(KeyboardInterrupt))
    words = refused(runner, "sessions", "revoke", "--all", *WHY, "--yes")
    assert "ended 2 sessions, still live: 1" in words
    assert len(live(sql)) == 1
    monkeypatch.undo()
    facts = done_json(runner, "sessions", "revoke", "--all", *WHY, "--yes")
    assert (facts["ended"], facts["ended_before"]) == (1, 2)
    assert live(sql) == set()


def cut_off(by: type[BaseException]) -> Callable[..., Iterator[revoking.Batch]]:
    """Return a `revoke` that ends two sessions and then no more."""

    def revoke(*args: Any, **options: Any) -> Iterator[revoking.Batch]:
        yield next(revoking.revoke(*args, **options, batch_size=2))
        raise by

    return revoke


class PowerCut(BaseException):
    """Nothing runs after it."""


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_was_killed_is_taken_up_and_the_report_counts_what_it_had_done(
    runner: FlaskCliRunner, auth: Auth, sql: Sql, ward: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch, times: int,
) -> None:  # fmt: skip
    for _ in range(2):
        auth.tokens(BEN)
    monkeypatch.setattr(cli_sessions, "revoke", cut_off(PowerCut))
    for _ in range(times):
        with pytest.raises(PowerCut):
            runner.invoke(args=["sessions", "revoke", "--all", *WHY, "--yes"])
        sql.rollback()
    monkeypatch.undo()
    other = done_json(runner, "sessions", "revoke", "--user", CLEO, *WHY, "--yes")
    assert other["ended_before"] == 0, "another selection is another run"
    words = done(runner, "sessions", "revoke", "--all", *WHY, "--yes")
    assert f"was cut off after {2 * times} sessions" in words
    again = done_json(runner, "sessions", "revoke", "--all", *WHY, "--yes")
    assert (again["ended"], again["ended_before"]) == (0, 0), "that run was finished"
    ended = sql.scalars(select(AuditEvent.sid).where(AuditEvent.event == Event.SESSION_REVOKED))
    assert sorted(ended) == sorted(sql.scalars(select(Session.id)))


@sqlite_only
def test_the_trail_says_when_a_revocation_began_and_how_it_went(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any]
) -> None:
    done(runner, "sessions", "revoke", "--user-type", "nurse", *WHY, "--yes")
    acts = (Event.REVOCATION_BEGUN, Event.SESSION_REVOKED, Event.REVOCATION_FINISHED)
    told = sql.scalars(
        select(AuditEvent).where(AuditEvent.event.in_(acts)).order_by(AuditEvent.id)
    ).all()
    assert [event.event for event in told] == [acts[0], acts[1], acts[1], acts[2]]
    details = [event.detail or {} for event in told]
    assert len({detail["run"] for detail in details}) == 1
    assert {detail["why"] for detail in details} == {"lost tablet"}
    assert (details[0]["selected"], details[3]["ended"], details[3]["remaining"]) == (2, 2, 0)


@sqlite_only
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("10.0.0.0/33", "Write a range as 10.20.0.0/16"),
        ("ward 7", "Write a range as 10.20.0.0/16"),
        ("", "Write a range as 10.20.0.0/16"),
        ("10.20.30.40/16", "write 10.20.0.0/16 for all of the range"),
    ],
)
def test_a_range_that_is_none_ends_nothing(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any], typed: str, sentence: str
) -> None:
    words = refused(runner, "sessions", "revoke", "--address", typed, *WHY, "--yes")
    assert sentence in words
    assert len(live(sql)) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--user", "nobody@ward.example"], "no account with this e-mail"),
        (["--user", "no address"], "no account with this e-mail"),
        (["--unit", "Attic"], "no unit of this name"),
        (["--unit", "\udcff"], "no unit of this name"),
        (["--session", "A" * 22], "no session with this id"),
        (["--session", "\udcff"], "no session with this id"),
    ],
)
@pytest.mark.usefixtures("ward")
def test_a_name_that_nobody_has_is_a_mistake_and_not_zero_sessions(
    runner: FlaskCliRunner, words: list[str], sentence: str
) -> None:
    assert sentence in refused(runner, "sessions", "revoke", *words, *WHY, "--yes")


@pytest.mark.parametrize("words", [["--user", "nobody@ward.example"], ["--unit", "Attic"]])
def test_list_of_a_name_that_nobody_has_is_a_mistake_too(
    runner: FlaskCliRunner, words: list[str]
) -> None:
    assert "There is no" in refused(runner, "sessions", "list", *words)


@sqlite_only
@pytest.mark.parametrize("why", ["", "ab", "  ab  ", "x" * 201, "two\nlines", "bell\a here"])
def test_the_reason_is_a_short_line_of_text(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any], why: str
) -> None:
    words = refused(runner, "sessions", "revoke", "--all", "--reason", why, "--yes")
    assert "3 to 200 printable characters" in words
    assert len(live(sql)) == 3


@sqlite_only
@pytest.mark.parametrize("words", [[], ["--all", "--unit", "ICU"], ["--user", ANNA, "--all"]])
def test_exactly_one_selection_is_asked_for(
    runner: FlaskCliRunner, sql: Sql, ward: dict[str, Any], words: list[str]
) -> None:
    result = runner.invoke(args=["sessions", "revoke", *words, *WHY, "--yes"])
    assert result.exit_code == 2
    assert "Say one of" in result.stderr
    assert len(live(sql)) == 3


def test_without_redis_sessions_end_all_the_same_and_it_says_pending(
    ward: dict[str, dict[str, Any]], app: Flask, auth: Auth, make_app: MakeApp, sql: Sql
) -> None:
    runner = make_app(redis_url=NO_REDIS).test_cli_runner()
    words = done(runner, "sessions", "revoke", "--user", ANNA, *WHY, "--yes")
    assert "Ended 1 session. Redis did not take all of it" in words
    assert done_json(runner, "sessions", "revoke", "--user", BEN, *WHY, "--yes")["pending"] is True
    assert live(sql) == {sid(ward[CLEO])}
    assert app.extensions["carelink"].pulse.beat()
    assert auth.me(ward[ANNA]["access"]).status_code == 401


@sqlite_only
@pytest.mark.parametrize("url", NO_DATABASES)
@pytest.mark.parametrize(
    "words", [["sessions", "list"], ["sessions", "revoke", "--all", *WHY, "--yes"]]
)
def test_without_a_database_it_fails_in_one_sentence(
    make_app: MakeApp, words: list[str], url: str
) -> None:
    runner = make_app(sqlalchemy_database_uri=url).test_cli_runner()
    assert "The database does not answer" in refused(runner, *words)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_everybody_is_not_ended_by_a_clock_of_its_own(
    runner: FlaskCliRunner, ward: dict[str, dict[str, Any]]
) -> None:
    with clock_that_stays(timedelta(hours=-1)):
        words = refused(runner, "sessions", "revoke", "--all", *WHY, "--yes")
        assert "clock and the database's are apart" in words
        assert done_json(runner, "sessions", "revoke", "--user", BEN, *WHY, "--yes")["ended"] == 1
    assert done_json(runner, "sessions", "revoke", "--all", *WHY, "--yes")["ended"] == 2
