"""Which browsers' pages may call: any local port in development, an exact list in production."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.auth.helpers import SQLITE
from tests.conftest import PRODUCTION, MakeApp

pytestmark = SQLITE
ALLOWED = "Access-Control-Allow-Origin"
CREDENTIALS = "Access-Control-Allow-Credentials"
PAGE = "https://app.hospital.example"
HOSPITAL = PRODUCTION | {"cors_origins": [PAGE, "https://nurses.hospital.example:8443"]}
EVIL = [
    "https://evil.example", "null", "", "http://", "*", "localhost:3000", "file://",
    "http://localhost.evil.example", "http://evil-localhost:3000", "http://localhost:3000.evil.example",
    "http://127.0.0.1.evil.example", "http://localhost:3000/", "http://localhost:", "ftp://localhost",
    "http://user@localhost:3000", "http://127.0.0.2", "http://0.0.0.0:3000", "http://xlocalhost",
    "http://localhost:123456",
]  # fmt: skip
STRANGE = [
    *EVIL, "http://app.hospital.example", "https://app.hospital.example.evil.example",
    "https://evil.example/https://app.hospital.example", "https://appXhospital.example",
    "https://xapp.hospital.example", "https://app.hospital.example:444", "http://localhost:3000",
    "https://nurses.hospital.example", "https://app.hospital.example/",
]  # fmt: skip


@pytest.fixture
def production(make_app: MakeApp) -> FlaskClient:
    return make_app(**HOSPITAL).test_client()


def ask(client: FlaskClient, origin: str, method: str = "GET") -> TestResponse:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.open(
        "/api/auth/me/", method=method, headers=headers, base_url="https://api.example"
    )


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:3000",
        "https://localhost:5173",
        "http://127.0.0.1:8080",
    ],
)
def test_development_admits_any_local_port_but_no_cookies(origin: str, client: FlaskClient) -> None:
    for method in ("GET", "OPTIONS"):
        response = ask(client, origin, method)
        assert response.headers[ALLOWED] == origin
        assert CREDENTIALS not in response.headers
        assert "Origin" in response.headers["Vary"]


def test_development_admits_nobody_else(client: FlaskClient) -> None:
    for origin in EVIL:
        for method in ("GET", "OPTIONS"):
            assert ALLOWED not in ask(client, origin, method).headers, origin


def test_production_admits_exactly_its_list(production: FlaskClient) -> None:
    for origin in HOSPITAL["cors_origins"]:
        for method in ("GET", "OPTIONS"):
            response = ask(production, origin, method)
            assert response.headers[ALLOWED] == origin
            assert response.headers[CREDENTIALS] == "true"
    for origin in STRANGE:
        for method in ("GET", "OPTIONS"):
            headers = ask(production, origin, method).headers
            assert ALLOWED not in headers, origin
            assert CREDENTIALS not in headers, origin


@pytest.mark.settings(cors_origins=["http://localhost:3000", r"http://localhost:\d+", "*"])
def test_a_pattern_admits_no_cookies_even_beside_a_name(client: FlaskClient) -> None:
    for method in ("GET", "OPTIONS"):
        assert ask(client, "http://localhost:3000", method).headers[CREDENTIALS] == "true"
        for origin in ("http://localhost:3001", "https://evil.example", "null"):
            assert CREDENTIALS not in ask(client, origin, method).headers, origin


def test_production_without_a_list_admits_nobody(make_app: MakeApp) -> None:
    client = make_app(**PRODUCTION).test_client()
    for origin in (*STRANGE, PAGE):
        assert ALLOWED not in ask(client, origin).headers, origin


def test_a_preflight_needs_no_token_and_names_what_may_be_sent(client: FlaskClient) -> None:
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-carelink-background, "
        "x-carelink-csrf",
    }
    response = client.options("/api/auth/logout-all/", headers=headers)
    assert response.status_code == 200
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    asked = headers["Access-Control-Request-Headers"]
    assert set(asked.split(", ")) <= set(allowed.split(", "))
    assert "DELETE" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Max-Age"] == "600"


def test_errors_may_be_read_by_an_admitted_page_too(client: FlaskClient) -> None:
    for path in ("/api/auth/me/", "/api/nothing/", "/api/auth/login/"):
        response = client.get(path, headers={"Origin": "http://localhost:3000"})
        assert response.status_code >= 400
        assert response.headers[ALLOWED] == "http://localhost:3000"
        exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed == {"Date", "ETag", "Retry-After", "WWW-Authenticate", "X-Request-ID"}


def test_an_answer_differs_by_origin_and_says_so(client: FlaskClient) -> None:
    assert "Origin" in client.get("/api/auth/me/").headers.get("Vary", "")
