"""What the standards name and no other test looks at: each is small, and each was asked for."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts.models import User
from carelink_api.sessions.models import Session
from tests.auth.helpers import SQLITE, events
from tests.auth_helper import EMAIL, PASSWORD, Auth, bearer

pytestmark = SQLITE
TOKEN_ENDPOINTS = ("/api/auth/login/", "/api/token/", "/api/auth/refresh/", "/api/token/refresh/")


@pytest.mark.settings(ratelimit_enabled=True)
def test_guesses_from_ever_other_addresses_slow_the_one_account_they_are_at(
    auth: Auth, sql: Sql
) -> None:
    """63B §3.2.2: no number of addresses buys more than a hundred; here the tenth waits already."""
    auth.create_user()
    spellings = (EMAIL, EMAIL.upper(), f" {EMAIL} ", EMAIL.title())
    for number in range(101):
        body = {"email": spellings[number % 4], "password": f"not the password {number}"}
        address = {"REMOTE_ADDR": f"10.{number}.1.1", "HTTP_X_FORWARDED_FOR": f"10.9.9.{number}"}
        assert auth.post("login", body, environ_overrides=address).status_code == 401
    assert sql.scalars(select(User.failed_logins)).one() == 10
    right = {"email": EMAIL, "password": PASSWORD}
    late = auth.post("login", right, environ_overrides={"REMOTE_ADDR": "10.200.1.1"})
    assert (late.status_code, late.get_json()["code"]) == (401, "invalid_credentials")
    assert len(events(sql, "login:blocked")) >= 90
    assert sql.scalar(select(func.count()).select_from(Session)) == 0


@pytest.mark.parametrize("path", TOKEN_ENDPOINTS)
@pytest.mark.parametrize("grant", ["password", "refresh_token", "client_credentials"])
def test_no_token_endpoint_speaks_oauth(path: str, grant: str, auth: Auth, sql: Sql) -> None:
    """RFC 9700 §2.4: there is no grant by password, by whatever name or type of body."""
    auth.create_user()
    asked = {"grant_type": grant, "username": EMAIL, "password": PASSWORD}
    form = auth.client.post(path, data=asked)
    assert (form.status_code, form.mimetype) == (415, "application/problem+json")
    named = auth.client.post(path, json=asked | {"email": EMAIL})
    assert named.status_code == 422
    assert "grant_type" in named.get_json()["errors"]
    assert sql.scalar(select(func.count()).select_from(Session)) == 0


def test_a_403_is_about_who_asks_and_never_about_a_scope(auth: Auth) -> None:
    """There are no scopes (RFC 6750 §3.1): whoever is refused so gains nothing by another token."""
    auth.create_user(user_type="researcher")
    access = auth.tokens()["access"]
    for path in ("/api/patients/", "/api/break-glass/", "/api/accounts/", "/api/ops/numbers/"):
        answer = auth.get(path, access)
        assert answer.status_code == 403
        assert "WWW-Authenticate" not in answer.headers
        assert "insufficient_scope" not in answer.text


def test_options_runs_no_view_on_any_route(app: Flask, client: FlaskClient) -> None:
    """A view that ran on OPTIONS would run without a token: the library skips its check there."""
    ran: list[str] = []

    def instead(endpoint: str) -> Any:
        return lambda **_: ran.append(endpoint) or "ran"

    app.view_functions = {endpoint: instead(endpoint) for endpoint in app.view_functions}
    for rule in app.url_map.iter_rules():
        path = re.sub("<sid:[^>]+>", "A" * 22, rule.rule)
        path = re.sub("<(path:)?name>", "a.js", path)
        answer = client.options(re.sub("<[^>]+>", "1", path))
        assert (answer.status_code, answer.data) == (200, b""), rule.rule
        assert "OPTIONS" in answer.headers["Allow"]
    assert ran == []
    client.get("/api/auth/me/")
    assert len(ran) == 1


def test_who_asks_for_the_end_of_anothers_session_leaves_an_event(
    auth: Auth, client: FlaskClient, sql: Sql
) -> None:
    auth.create_user()
    other = auth.create_user("other@ward.example")
    mine, theirs = auth.tokens(), auth.tokens("other@ward.example")
    foreign, absent = theirs["session"]["id"], "A" * 22
    answers = [
        client.delete(f"/api/auth/sessions/{sid}/", headers=bearer(mine["access"]))
        for sid in (foreign, absent)
    ]
    bodies: list[Any] = [answer.get_json() for answer in answers]
    assert [body.pop("status") for body in bodies] == [404, 404]
    assert len({body.pop("request_id") for body in bodies}) == 2
    assert bodies[0] == bodies[1]
    told = events(sql, "session:end_refused")
    assert [(each.outcome, each.reason, each.sid) for each in told] == [
        ("refused", "not_found", mine["session"]["id"])
    ] * 2
    assert told[0].detail == {"asked_for": foreign, "of_user": other.id}
    assert told[1].detail is None
