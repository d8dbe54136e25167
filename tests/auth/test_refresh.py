"""Silent refresh: rotation, what is forgiven, what ends the session, and what it costs."""

from contextlib import suppress
from typing import Any

import jwt as pyjwt
import pytest
import redis
from flask import Flask
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as Sql

from carelink_api.database import one_by_one, writing
from carelink_api.extensions import db
from carelink_api.sessions.models import Session
from tests.auth.helpers import (
    claims_of,
    events,
    outside,
    refreshed,
    refused_with,
    runtime_of,
    statements,
    take_notes,
)
from tests.auth_helper import PASSWORD, Auth
from tests.conftest import MakeApp, Travel


def use(auth: Auth, pair: dict[str, Any]) -> None:
    """Use an access token, and write the receipt for its generation."""
    assert auth.me(pair["access"]).status_code == 200
    take_notes(auth.app)


def same_child(one: dict[str, Any], other: dict[str, Any]) -> bool:
    names = ("jti", "iat", "exp", "gen", "sid")
    mine, theirs = claims_of(one["refresh"]), claims_of(other["refresh"])
    return [mine[name] for name in names] == [theirs[name] for name in names]


def test_a_refresh_retires_the_token_and_issues_the_next(
    auth: Auth, first: dict[str, Any], redis_client: redis.Redis
) -> None:
    second = refreshed(auth.refresh(first["refresh"]))
    old, new = claims_of(first["refresh"]), claims_of(second["refresh"])
    assert (old["gen"], new["gen"]) == (1, 2)
    assert old["jti"] != new["jti"]
    assert old["sid"] == new["sid"]
    assert claims_of(second["access"])["gen"] == 2
    assert claims_of(second["access"])["fresh"] is False
    listed = redis_client.get(f"carelink:revoked:{{{old['sid']}}}:{old['jti']}")
    assert str(listed).startswith("rotated:")


def test_refresh_never_moves_the_session_s_end(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    pair = first
    for _ in range(3):
        travel(1000)
        pair = refreshed(auth.refresh(pair["refresh"]))
        assert pair["session"]["expires_at"] == first["session"]["expires_at"]
        assert claims_of(pair["refresh"])["exp"] == claims_of(first["refresh"])["exp"]


def test_no_access_token_outlives_its_session(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    travel(12 * 3600 - 180)
    late = refreshed(auth.refresh(first["refresh"]))
    assert claims_of(late["access"])["exp"] == claims_of(first["refresh"])["exp"]
    assert 0 < late["expires_in"] <= 180
    assert "access_capped_by" not in late


def test_the_same_old_token_at_once_is_answered_with_the_same_child(
    auth: Auth, first: dict[str, Any]
) -> None:
    second = refreshed(auth.refresh(first["refresh"]))
    use(auth, second)  # even when the child is in use: two tabs
    for _ in range(3):
        again = refreshed(auth.refresh(first["refresh"]))
        assert again["reissued"] is True
        assert same_child(again, second)
        assert claims_of(again["access"])["gen"] == 2
        assert claims_of(again["access"])["jti"] != claims_of(second["access"])["jti"]
    assert refreshed(auth.refresh(second["refresh"]))["reissued"] is False


def test_second_use_after_grace_ends_the_session(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    second = refreshed(auth.refresh(first["refresh"]))
    use(auth, second)
    travel(11)
    assert refused_with(auth.refresh(first["refresh"]), "reused")
    assert refused_with(auth.refresh(second["refresh"]), "reused")
    assert refused_with(auth.me(second["access"]), "reused")
    assert refused_with(auth.me(first["access"]), "reused")


def test_reuse_ends_only_that_session(auth: Auth, first: dict[str, Any], travel: Travel) -> None:
    elsewhere = auth.tokens()
    use(auth, refreshed(auth.refresh(first["refresh"])))
    travel(11)
    assert auth.refresh(first["refresh"]).status_code == 401
    assert auth.me(elsewhere["access"]).status_code == 200
    assert auth.refresh(elsewhere["refresh"]).status_code == 200


def test_reuse_holds_in_another_worker(
    auth: Auth, first: dict[str, Any], travel: Travel, make_app: MakeApp
) -> None:
    other = Auth(make_app())
    second = refreshed(auth.refresh(first["refresh"]))
    assert other.me(second["access"]).status_code == 200
    take_notes(other.app)
    travel(11)
    assert auth.refresh(first["refresh"]).status_code == 401
    assert refused_with(other.me(second["access"]), "reused")


def test_a_grandparent_is_reuse_also_where_nothing_was_used(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    second = refreshed(auth.refresh(first["refresh"]))
    refreshed(auth.refresh(second["refresh"]))
    travel(11)
    assert refused_with(auth.refresh(first["refresh"]), "reused")


def test_a_lost_answer_is_given_again_for_a_quarter_of_an_hour(
    auth: Auth, first: dict[str, Any], travel: Travel, sql: Sql
) -> None:
    lost = refreshed(auth.refresh(first["refresh"]))
    travel(14 * 60)
    again = refreshed(auth.refresh(first["refresh"]))
    assert again["reissued"] is True
    assert same_child(again, lost)
    assert [event.detail for event in events(sql, "session:reissued")] == [
        {"late_streak": 1, "generations_back": 1}
    ]
    assert refreshed(auth.refresh(again["refresh"]))["reissued"] is False


def test_an_answer_lost_for_longer_is_reuse(
    auth: Auth, first: dict[str, Any], travel: Travel
) -> None:
    refreshed(auth.refresh(first["refresh"]))
    travel(16 * 60)
    assert refused_with(auth.refresh(first["refresh"]), "reused")


def test_where_idle_is_shorter_a_lost_answer_is_forgiven_no_longer_than_that(
    auth: Auth, travel: Travel, make_app: MakeApp
) -> None:
    app = make_app(session_profiles={"high_security": {"idle_seconds": 300}})
    auth = Auth(app)
    auth.create_user(unit="ICU", profile="high_security")
    first = auth.tokens()
    refreshed(auth.refresh(first["refresh"]))
    travel(301)
    assert refused_with(auth.refresh(first["refresh"]), "reused")


@pytest.mark.settings(rotation_grace_seconds=0, lost_response_window_seconds=0)
def test_with_strict_settings_the_second_use_ends_the_session(
    auth: Auth, first: dict[str, Any]
) -> None:
    second = refreshed(auth.refresh(first["refresh"]))
    assert refused_with(auth.refresh(first["refresh"]), "reused")
    assert refused_with(auth.refresh(second["refresh"]), "reused")


@pytest.mark.settings(rotate_refresh_tokens=False)
def test_without_rotation_the_same_refresh_token_is_kept(
    auth: Auth, first: dict[str, Any], sql: Sql, travel: Travel
) -> None:
    for _ in range(3):
        travel(60)
        kept = refreshed(auth.refresh(first["refresh"]))
        assert kept["reissued"] is False
        assert same_child(kept, first)
        assert auth.me(kept["access"]).status_code == 200
    assert len(events(sql, "session:kept")) == 3
    auth.logout(first["refresh"])
    assert refused_with(auth.refresh(first["refresh"]), "revoked")


def test_the_sixth_late_reissue_running_is_reuse_and_the_third_an_alert(
    auth: Auth, first: dict[str, Any], travel: Travel, sql: Sql
) -> None:
    pair = first
    for _ in range(5):
        refreshed(auth.refresh(pair["refresh"]))
        travel(60)
        pair = refreshed(auth.refresh(pair["refresh"]))
        assert pair["reissued"] is True
    outcomes = [event.outcome for event in events(sql, "session:reissued")]
    assert outcomes == ["success", "success", "alert", "alert", "alert"]
    refreshed(auth.refresh(pair["refresh"]))
    travel(60)
    assert refused_with(auth.refresh(pair["refresh"]), "reused")


@pytest.mark.parametrize("rotates", [True, False])
def test_what_has_ended_since_it_was_read_is_answered_no_more(
    rotates: bool, make_app: MakeApp, sql: Sql
) -> None:
    app = make_app(rotate_refresh_tokens=rotates)
    auth, ended = Auth(app), list[int]()
    auth.create_user()
    first = auth.tokens()
    auth.refresh(first["refresh"])

    def end_it(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not ended and statement.startswith("SELECT sessions.") and "JOIN users" in statement:
            ended.append(1)
            ended.append(auth.logout(first["refresh"]).status_code)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "after_cursor_execute", end_it)
    try:
        answer = auth.refresh(first["refresh"])
    finally:
        event.remove(engine, "after_cursor_execute", end_it)
    assert ended == [1, 200]
    assert refused_with(answer, "revoked")
    assert [each.event for each in events(sql)][-2:] == [
        "session:logged_out", "session:refresh_refused",
    ]  # fmt: skip


def test_a_token_ahead_of_the_row_goes_on_and_is_an_alert(
    auth: Auth, first: dict[str, Any], sql: Sql
) -> None:
    third = refreshed(auth.refresh(refreshed(auth.refresh(first["refresh"]))["refresh"]))
    sid = first["session"]["id"]
    sql.execute(update(Session).where(Session.id == sid).values(generation=1, retired=[]))
    sql.commit()
    on = refreshed(auth.refresh(third["refresh"]))
    assert claims_of(on["refresh"])["gen"] == 4
    assert [event.outcome for event in events(sql, "session:row_behind")] == ["alert"]


def test_a_refresh_costs_three_statements_and_two_on_postgresql(
    auth: Auth, first: dict[str, Any], store: str
) -> None:
    with statements() as seen:
        second = refreshed(auth.refresh(first["refresh"]))
    assert len(seen) == (2 if store.startswith("postgresql") else 3), seen
    with statements() as seen:
        assert refreshed(auth.refresh(first["refresh"]))["reissued"] is True
    assert len(seen) <= 3, seen
    assert auth.me(second["access"]).status_code == 200


def test_what_cannot_be_audited_rotates_nothing(
    auth: Auth, first: dict[str, Any], sql: Sql, store: str
) -> None:
    if store.startswith("postgresql"):
        sql.execute(text("ALTER TABLE audit_events ADD CONSTRAINT none CHECK (id < 0) NOT VALID"))
        undo = "ALTER TABLE audit_events DROP CONSTRAINT none"
    else:
        sql.execute(text("CREATE TRIGGER none BEFORE INSERT ON audit_events "
                         "BEGIN SELECT RAISE(ABORT, 'none'); END"))  # fmt: skip
        undo = "DROP TRIGGER none"
    sql.commit()
    assert auth.refresh(first["refresh"]).status_code == 500
    sql.execute(text(undo))
    sql.commit()
    assert claims_of(refreshed(auth.refresh(first["refresh"]))["refresh"])["gen"] == 2


def test_a_connection_that_was_lent_for_single_statements_serves_transactions_again(
    app: Flask, auth: Auth, first: dict[str, Any], sql: Sql
) -> None:
    refreshed(auth.refresh(first["refresh"]))
    with app.app_context():
        with pytest.raises(DBAPIError), one_by_one(db.session()) as connection:
            connection.execute(text("SELECT nothing"))
        for _ in range(3):  # whichever of the pool's connections it is
            with suppress(ZeroDivisionError), writing(db.session()) as half:
                half.execute(update(Session).values(device_name="half done"))
                raise ZeroDivisionError
    assert sql.scalars(select(Session.device_name)).all() == [None]


def test_a_refresh_mints_what_a_login_mints(auth: Auth, first: dict[str, Any]) -> None:
    """The one through the library, the other by ourselves."""
    second = refreshed(auth.refresh(first["refresh"]))
    for kind in ("access", "refresh"):
        one, other = claims_of(first[kind]), claims_of(second[kind])
        assert {name: type(value) for name, value in one.items()} == {
            name: type(value) for name, value in other.items()
        }
        changed = {"access": {"fresh", "jti", "gen"}, "refresh": {"jti", "gen"}}[kind]
        times = {"iat", "nbf", "exp"}
        assert {name for name in one if one[name] != other[name]} - times == changed
        assert pyjwt.get_unverified_header(first[kind]) == pyjwt.get_unverified_header(second[kind])


def test_an_authenticated_request_costs_one_round_trip_and_no_sql(
    app: Flask, auth: Auth, first: dict[str, Any], redis_client: redis.Redis
) -> None:
    assert auth.me(first["access"]).status_code == 200
    runtime_of(app).pulse.beat()
    redis_client.config_resetstat()
    with statements() as seen:
        assert auth.me(first["access"]).status_code == 200
    commands = redis_client.info("commandstats")
    calls = {name: stats["calls"] for name, stats in commands.items() if "config" not in name}
    assert seen == []
    assert calls == {"cmdstat_mget": 1}


def test_a_forged_refresh_changes_nothing(auth: Auth, first: dict[str, Any], sql: Sql) -> None:
    before = len(events(sql))
    status, body, _ = outside(auth.refresh(first["access"]))
    assert (status, body["code"], "reason" in body) == (401, "token_not_valid", False)
    assert len(events(sql)) == before
    assert auth.login(password=PASSWORD).status_code == 200
    assert auth.refresh(first["refresh"]).status_code == 200
