"""What every answer carries, whatever it says: a request id and the security headers."""

import re
from typing import NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth

pytestmark = SQLITE
MADE = re.compile(r"[A-Za-z0-9_-]{16}\Z")
HEADERS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def boom() -> NoReturn:
    raise RuntimeError("the secret inside of things")


def assert_headers(response: TestResponse) -> None:
    found = {name: response.headers.get(name) for name in HEADERS}
    assert found == HEADERS, response.status
    assert response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "given", ["12345678", "a.b_c-D9" * 8, "3f2b8c1e-0000-4000-8000-1234567890ab"]
)
def test_a_well_formed_request_id_is_kept(given: str, client: FlaskClient) -> None:
    response = client.get("/nothing", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given
    assert response.get_json()["request_id"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "short",
        "x" * 65,
        "has space",
        "né-12345678",
        "<script>alert",
        "\x1b[31mred12345",
        "a/b/c/d/e",
    ],
)
def test_any_other_request_id_is_replaced(given: str, client: FlaskClient) -> None:
    response = client.get("/nothing", environ_overrides={"HTTP_X_REQUEST_ID": given})
    assert MADE.match(response.headers["X-Request-ID"])


def test_each_request_without_an_id_gets_its_own(client: FlaskClient) -> None:
    made = {client.get("/nothing").headers["X-Request-ID"] for _ in range(20)}
    assert len(made) == 20


def test_the_security_headers_are_on_every_answer(app: Flask, auth: Auth) -> None:
    app.add_url_rule("/api/boom/", view_func=boom)
    auth.create_user()
    pair = auth.tokens()
    client = auth.client
    answers = [
        auth.login(),
        auth.me(pair["access"]),
        auth.me(),
        auth.me("garbage"),
        auth.login(password="wrong"),
        auth.get("/nothing"),
        auth.get("/api/auth/login/"),
        auth.get("/api/boom/"),
        auth.get("/health/live/"),
        auth.get("/"),
        client.post("/api/auth/login/", data="x" * 70_000, content_type="application/json"),
        client.post("/api/auth/login/", data="x"),
        client.options("/api/auth/login/"),
        client.options("/api/auth/login/", headers={"Origin": "http://localhost:3000"}),
        client.head("/api/auth/me/"),
    ]
    for answer in answers:
        assert_headers(answer)


def test_nothing_names_the_software(auth: Auth) -> None:
    for answer in (auth.get("/nothing"), auth.login()):
        assert "X-Powered-By" not in answer.headers
        assert "Flask" not in str(answer.headers)
        assert "X-RateLimit-Limit" not in answer.headers


def test_no_answer_sets_a_cookie_unasked(auth: Auth) -> None:
    auth.create_user()
    pair = auth.tokens()
    answers = [auth.login(), auth.refresh(pair["refresh"]), auth.me(pair["access"])]
    assert not any("Set-Cookie" in answer.headers for answer in answers)
