"""Log in: what a session is given, and what its tokens say."""

import unicodedata
from typing import Any

import argon2
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts.models import User
from carelink_api.sessions.models import Session
from tests.auth.helpers import claims_of, events, refused_with, take_notes
from tests.auth_helper import EMAIL, PASSWORD, Auth
from tests.conftest import MakeApp, Travel

COMMON = {"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "type", "sid", "gen"}
OF_ACCESS = COMMON | {"user_id", "user_type", "fresh", "auth_time", "amr"}


def test_a_login_starts_a_session_of_its_own(auth: Auth, sql: Sql) -> None:
    user = auth.create_user()
    first, second = auth.tokens(device_name="Desk"), auth.tokens()
    rows = sql.scalars(select(Session).order_by(Session.started_at)).all()
    assert [row.id for row in rows] == [first["session"]["id"], second["session"]["id"]]
    assert {row.user_id for row in rows} == {user.id}
    assert (rows[0].device_name, rows[0].address) == ("Desk", "127.0.0.1")


@pytest.mark.parametrize(("identity", "named"), [("full", {"email", "name"}), ("minimal", set())])
def test_tokens_carry_exactly_the_documented_claims(
    identity: str, named: set[str], make_app: MakeApp
) -> None:
    auth = Auth(make_app(identity_claims=identity))
    user = auth.create_user(user_type="doctor")
    pair = auth.tokens()
    access, refresh = claims_of(pair["access"]), claims_of(pair["refresh"])
    assert set(access) == OF_ACCESS | named
    assert set(refresh) == COMMON | {"fresh"}  # the library writes that one into every token
    assert refresh["fresh"] is False
    assert (access["sub"], access["user_id"]) == (str(user.id), user.id)
    assert (access["type"], refresh["type"]) == ("access", "refresh")
    assert (access["user_type"], access["fresh"], access["amr"]) == ("doctor", True, ["pwd"])
    assert access["auth_time"] == access["iat"] == access["nbf"]
    assert access["jti"] != refresh["jti"]
    assert access["sid"] == refresh["sid"] == pair["session"]["id"]
    assert len(access["sid"]) == 22


@pytest.mark.parametrize(
    ("user_type", "unit_profile", "profile", "access", "absolute", "idle"),
    [
        ("nurse", None, "standard", 900, 12, 0),
        ("doctor", "standard", "standard", 900, 12, 0),
        ("patient", None, "standard", 900, 12, 0),
        ("ops", None, "standard", 900, 12, 0),
        ("nurse", "high_security", "high_security", 300, 8, 900),
        ("researcher", None, "extended", 1800, 24, 3600),
        ("admin", None, "extended", 1800, 24, 3600),
        ("admin", "high_security", "high_security", 300, 8, 900),
        ("researcher", "standard", "standard", 900, 12, 0),
        ("nurse", "extended", "standard", 900, 12, 0),
    ],
)
def test_the_strictest_profile_that_type_and_unit_call_for_applies(
    user_type: str,
    unit_profile: str | None,
    profile: str,
    access: int,
    absolute: int,
    idle: int,
    auth: Auth,
) -> None:
    auth.create_user(user_type=user_type, unit="Unit", profile=unit_profile)
    pair = auth.tokens()
    claims = claims_of(pair["refresh"])
    assert pair["session"]["profile"] == profile
    assert pair["session"]["idle_timeout_seconds"] == idle
    assert pair["expires_in"] == access
    assert claims["exp"] - claims["iat"] == absolute * 3600


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_a_password_is_the_same_in_every_unicode_form(
    form: str, stored: str, make_app: MakeApp
) -> None:
    password = "Zürich äöü élan ﬁn de siècle"
    app = make_app()
    auth = Auth(app)
    with app.app_context():
        kept = app.extensions["carelink.passwords"].hash(unicodedata.normalize(stored, password))  # type: ignore[arg-type]
    auth.create_user(password_hash=kept)
    typed = unicodedata.normalize(form, password)  # type: ignore[arg-type]
    assert auth.login(password=typed).status_code == 200


@pytest.mark.parametrize(
    "email", [EMAIL.upper(), f"  {EMAIL} ", "Nurse@Ward.Example", "ｎurse@ward.example"]
)
def test_an_address_is_the_same_in_every_spelling(email: str, auth: Auth) -> None:
    auth.create_user()
    assert auth.login(email).status_code == 200


def test_the_right_user_type_is_let_in(auth: Auth) -> None:
    auth.create_user(user_type="doctor")
    assert auth.login(user_type="doctor").status_code == 200


def test_a_login_renews_a_hash_of_other_parameters_and_keeps_the_password(
    make_app: MakeApp, sql: Sql
) -> None:
    auth = Auth(make_app(password_hash_iterations=2))
    auth.create_user()
    before = sql.scalars(select(User.password_hash)).one()
    assert auth.login().status_code == 200
    sql.rollback()
    after = sql.scalars(select(User.password_hash)).one()
    assert argon2.extract_parameters(before).time_cost == 1
    assert argon2.extract_parameters(after).time_cost == 2
    assert auth.login().status_code == 200
    assert [event.event for event in events(sql)].count("user:password_rehashed") == 1
    sql.rollback()
    assert sql.scalars(select(User.password_hash)).one() == after


@pytest.mark.settings(max_sessions_per_user=2)
def test_one_session_too_many_ends_the_longest_inactive(
    auth: Auth, travel: Travel, sql: Sql
) -> None:
    auth.create_user()
    auth.create_user("other@ward.example")
    theirs = auth.tokens("other@ward.example")
    oldest = auth.tokens()
    travel(60)
    idle = auth.tokens()
    travel(60)
    assert auth.get("/api/auth/sessions/", oldest["access"]).status_code == 200  # active
    take_notes(auth.app)
    newest = auth.tokens()
    assert refused_with(auth.me(idle["access"]), "revoked")
    for pair in (oldest, newest, theirs):
        assert auth.me(pair["access"]).status_code == 200
    items: list[dict[str, Any]] = auth.get("/api/auth/sessions/", newest["access"]).get_json()[
        "items"
    ]
    ended = {item["id"]: item["end_reason"] for item in items if item["ended_at"]}
    assert ended == {idle["session"]["id"]: "session_cap"}
    assert [event.reason for event in events(sql, "session:revoked")] == ["session_cap"]


@pytest.mark.parametrize(
    ("claimed", "kept"),
    [
        ("x" * 300, None),
        ("a\x00b", None),
        ("unknown", None),
        ("1.2.3.4.5", None),
        ("é", None),
        ("fe80::1%" + "z" * 60, "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
    ],
)
def test_an_address_that_is_none_does_no_harm(
    claimed: str, kept: str | None, make_app: MakeApp, sql: Sql
) -> None:
    auth = Auth(make_app(trusted_proxies=1))
    auth.create_user()
    environ = {"HTTP_X_FORWARDED_FOR": claimed}
    for password, status in ((PASSWORD, 200), ("not the password", 401)):
        body = {"email": EMAIL, "password": password}
        response = auth.post("login", body, environ_overrides=environ)
        assert response.status_code == status
    assert [event.address for event in events(sql)] == [kept, kept]
