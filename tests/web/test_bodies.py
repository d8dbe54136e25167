"""Bad bodies of every kind get a clear 4xx, and change nothing."""

from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session as Sql

from tests.auth.helpers import SQLITE, events
from tests.auth_helper import Auth
from tests.fuzz.bounds import bounded
from tests.web.test_errors import problem

pytestmark = SQLITE
JSON = "application/json"
LOGIN = "/api/auth/login/"
GOOD = b'{"email": "nurse@ward.example", "password": "violet harbour before the thaw"}'
POSTS = [LOGIN, "/api/auth/refresh/", "/api/auth/logout/", "/api/auth/verify/"]
MALFORMED = {
    "no json": b"hello",
    "half": GOOD[:-1],
    "two": GOOD + GOOD,
    "digits": b'{"email": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a name twice": b'{"email": "a@b.example", "email": "c@d.example", "password": "x"}',
    "NaN": b'{"email": NaN}',
    "Infinity": b'{"email": -Infinity}',
    "BOM": b"\xef\xbb\xbf" + GOOD,
    "latin-1": '{"email": "ä"}'.encode("latin-1"),
    "utf-16": GOOD.decode().encode("utf-16"),
    "NUL": GOOD + b"\x00",
    "single quotes": b"{'email': 'a'}",
    "a comment": b"{} // nothing",
    "a control character": b'{"email": "a\nb"}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_the_parser_cannot_take_is_malformed(name: str, client: FlaskClient) -> None:
    for path in POSTS:
        response = client.post(path, data=MALFORMED[name], content_type=JSON)
        problem(response, 400, "malformed_body")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x",
     "application/xml", "application/vnd.api+json", "application/jsonp", "text/json"],
)  # fmt: skip
def test_another_content_type_is_unsupported(content_type: str, client: FlaskClient) -> None:
    for path in POSTS:
        response = client.post(path, data=GOOD, content_type=content_type)
        problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_is_json_with_its_parameters_and_in_any_case(content_type: str, auth: Auth) -> None:
    auth.create_user()
    response = auth.client.post(LOGIN, data=GOOD, content_type=content_type)
    assert response.status_code == 200


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true", b'[{"email": "a"}]'])
def test_a_body_that_is_no_object_has_the_wrong_shape(body: bytes, client: FlaskClient) -> None:
    for path in POSTS:
        response = client.post(path, data=body, content_type=JSON)
        problem(response, 422, "validation_failed")


def test_an_empty_body_is_an_empty_object(auth: Auth) -> None:
    for content_type in (JSON, None):
        response = auth.client.post(LOGIN, data=b"", content_type=content_type)
        problem(response, 422, "validation_failed")
    auth.create_user()
    headers = {"Authorization": f"Bearer {auth.tokens()['access']}"}
    response = auth.client.post("/api/auth/logout/", content_type=JSON, headers=headers)
    assert response.status_code == 200


WRONG: list[Any] = [
    None, 1, 1.5, True, [], {}, ["x"], {"x": 1}, "", "\x00", "a\x00b", "\ud800", "a\udfffb",
]  # fmt: skip


@pytest.mark.parametrize("field", ["email", "password", "device_name", "user_type", "transport"])
def test_a_login_field_of_a_wrong_kind_is_refused_by_name(field: str, client: FlaskClient) -> None:
    good = {"email": "a@b.example", "password": "x"}
    for value in WRONG:
        response = problem(client.post(LOGIN, json=good | {field: value}), 422, "validation_failed")
        assert set(response.get_json()["errors"]) == {field}, value


@pytest.mark.parametrize(
    ("path", "field"),
    [("refresh", "refresh"), ("logout", "refresh"), ("verify", "token")],
)
def test_a_token_field_of_a_wrong_kind_is_refused_by_name(
    path: str, field: str, client: FlaskClient
) -> None:
    for value in [*WRONG, "x" * 8193]:
        response = client.post(f"/api/auth/{path}/", json={field: value})
        assert set(problem(response, 422, "validation_failed").get_json()["errors"]) == {field}


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "x" * 255), ("email", "a\r\nb@c.example"), ("email", "\x1b[31m@c.example"),
     ("password", "x" * 1025), ("device_name", "x" * 101), ("device_name", "a\tb")],
)  # fmt: skip
def test_text_that_is_too_long_or_holds_control_characters_is_refused(
    field: str, value: str, client: FlaskClient
) -> None:
    good = {"email": "a@b.example", "password": "x"}
    problem(client.post(LOGIN, json=good | {field: value}), 422, "validation_failed")


def test_bad_input_changes_nothing(auth: Auth, sql: Sql, redis_client: redis.Redis) -> None:
    auth.create_user()
    for body in MALFORMED.values():
        auth.client.post(LOGIN, data=body, content_type=JSON)
    for value in WRONG:
        auth.login(email=value)
    assert events(sql) == []
    assert redis_client.dbsize() == 0


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
fields = st.sampled_from(
    ["email", "password", "refresh", "token", "user_type", "device_name", "transport", "x", ""]
)


@bounded(150)
@given(path=st.sampled_from(POSTS), body=st.dictionaries(fields, values, max_size=4) | values)
def test_no_json_body_is_an_error_of_ours(path: str, body: Any, client: FlaskClient) -> None:
    response = client.post(path, json=body)
    assert response.status_code in (400, 401, 422)


@bounded(100)
@given(path=st.sampled_from(POSTS), body=st.binary(max_size=200))
def test_no_bytes_are_an_error_of_ours(path: str, body: bytes, client: FlaskClient) -> None:
    response = client.post(path, data=body, content_type=JSON)
    assert response.status_code in (400, 401, 422)
