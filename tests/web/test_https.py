"""In production nothing but a probe is answered on plain http, and nobody can pretend otherwise."""

import pytest
from flask import Flask

from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth
from tests.conftest import MakeApp
from tests.web.test_cors import PRODUCTION
from tests.web.test_errors import problem

pytestmark = SQLITE
HTTP, HTTPS = "http://api.example", "https://api.example"
CLAIMS = [
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Scheme": "https"},
    {"X-Forwarded-Ssl": "on"},
    {"Forwarded": "proto=https"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"},
]


@pytest.fixture
def production(make_app: MakeApp) -> Flask:
    app = make_app(**PRODUCTION)
    assert app.extensions["carelink"].pulse.beat()
    return app


def test_plain_http_is_refused_and_never_redirected(production: Flask) -> None:
    auth = Auth(production)
    auth.create_user()
    for answer in (
        auth.post("login", {"email": "a@b.example", "password": "x"}, base_url=HTTP),
        auth.get("/api/auth/me/", base_url=HTTP),
        auth.get("/api/docs/", base_url=HTTP),
        auth.get("/", base_url=HTTP),
        auth.get("/nothing", base_url=HTTP),
    ):
        problem(answer, 403, "https_required")
        assert "Location" not in answer.headers
        assert "Strict-Transport-Security" in answer.headers


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/live/", "/health/ready", "/health/ready/"]
)
def test_probes_answer_on_plain_http(path: str, production: Flask) -> None:
    assert production.test_client().get(path, base_url=HTTP).status_code == 200


def test_https_is_served(production: Flask) -> None:
    auth = Auth(production)
    auth.create_user()
    credentials = {"email": "nurse@ward.example", "password": "violet harbour before the thaw"}
    answer = auth.post("login", credentials, base_url=HTTPS)
    assert answer.status_code == 200
    access = answer.get_json()["access"]
    assert auth.get("/api/auth/me/", access, base_url=HTTPS).status_code == 200


@pytest.mark.parametrize("headers", CLAIMS)
def test_without_a_proxy_no_header_turns_http_into_https(
    headers: dict[str, str], production: Flask
) -> None:
    answer = production.test_client().get("/", base_url=HTTP, headers=headers)
    problem(answer, 403, "https_required")


def test_the_configured_proxy_says_what_the_client_used(make_app: MakeApp) -> None:
    client = make_app(**PRODUCTION, trusted_proxies=1).test_client()

    def status(proto: str) -> int:
        headers = {"X-Forwarded-Proto": proto}
        return client.get("/", base_url=HTTP, headers=headers).status_code

    assert status("https") == 200
    assert status("http") == 403
    assert status("https, http") == 403  # the client made the first one up
    assert status("http, https") == 200


def test_development_is_served_on_plain_http(auth: Auth) -> None:
    assert auth.get("/", base_url=HTTP).status_code == 200
