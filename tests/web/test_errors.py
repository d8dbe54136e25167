"""Every error is one problem+json, and tells nothing of what is inside."""

import re
from typing import NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.test import TestResponse

from carelink_api.document import ProblemSchema
from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth

pytestmark = SQLITE
INSIDE = re.compile(
    r"traceback|sqlalchemy|sqlite|psycopg|werkzeug|marshmallow|webargs|flask|redis|valkey|python|"
    r"select |insert |\.py|exception|jwt|line \d",
    re.IGNORECASE,
)
LOGIN = "/api/auth/login/"


def problem(response: TestResponse, status: int, code: str) -> TestResponse:
    """Hold an answer against the one shape of errors."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body = response.get_json()
    assert ProblemSchema().validate(body) == {}
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:carelink:problem:{code}"
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert not INSIDE.search(response.text.replace(body["request_id"], "")), response.text
    return response


def test_an_unknown_path(client: FlaskClient) -> None:
    for path in ("/nothing", "/api/nothing/", "/api/auth/sessions/x/", "/%00", "/..%2f..%2fetc"):
        problem(client.get(path), 404, "not_found")


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = problem(client.delete(LOGIN), 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_a_method_that_is_none(client: FlaskClient) -> None:
    problem(client.open(LOGIN, method="BREW"), 405, "method_not_allowed")


def test_a_body_that_is_too_large(client: FlaskClient) -> None:
    body = '{"email": "' + "x" * 70_000 + '"}'
    for path in (LOGIN, "/api/auth/refresh/"):
        response = client.post(path, data=body, content_type="application/json")
        problem(response, 413, "content_too_large")


def test_a_body_that_is_no_json(client: FlaskClient) -> None:
    response = client.post(LOGIN, data={"email": "a"})
    assert "application/json" in problem(response, 415, "unsupported_media_type").text


def test_a_body_of_a_wrong_shape_names_each_field(client: FlaskClient) -> None:
    response = problem(client.post(LOGIN, json={"extra": 1}), 422, "validation_failed")
    assert set(response.get_json()["errors"]) == {"email", "password", "extra"}


@pytest.mark.settings(ratelimit_enabled=True)
def test_too_many_requests(auth: Auth) -> None:
    answers = [auth.login() for _ in range(6)]
    assert int(problem(answers[-1], 429, "throttled").headers["Retry-After"]) >= 1


def crash() -> NoReturn:
    raise RuntimeError("SELECT secret FROM inside; Traceback in flask.py")


def locked() -> NoReturn:
    raise OperationalError("SELECT secret", {"a": 1}, Exception("database is locked"))


def exhausted() -> NoReturn:
    raise PoolTimeout("QueuePool limit of size 8 overflow 24 reached")


@pytest.mark.parametrize(
    ("view", "status", "code"),
    [
        (crash, 500, "internal_error"),
        (locked, 503, "unavailable"),
        (exhausted, 503, "unavailable"),
    ],
)
def test_what_goes_wrong_inside_stays_inside(
    view: object, status: int, code: str, app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    app.add_url_rule("/api/broken/", view_func=view)  # type: ignore[arg-type]
    response = problem(app.test_client().get("/api/broken/"), status, code)
    assert ("Retry-After" in response.headers) is (status == 503)
    assert "secret" not in response.text
