"""Bodies, queries, paths and headers of any kind: a clear refusal, and nothing changes."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import redis
from flask import Flask, request
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api.api import read_json
from carelink_api.errors import MalformedBody
from tests.auth.helpers import SQLITE, assert_all_refused, events
from tests.auth_helper import EMAIL, Auth, bearer
from tests.fuzz.bounds import bounded
from tests.fuzz.invariants import sessions

pytestmark = SQLITE
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
LISTS = ("/api/auth/sessions/", "/api/appointments/", "/api/patients/")

header_values = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=120)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@contextmanager
def nothing_changes(sql: Sql, redis_client: redis.Redis) -> Iterator[None]:
    """No session, no audit event and no key differs afterwards."""

    def all_of_it() -> tuple[object, ...]:
        engine = sql.get_bind()
        keys = sorted(redis_client.scan_iter())
        return sessions(engine), [event.id for event in events(sql)], keys  # type: ignore[arg-type]

    before = all_of_it()
    yield
    assert all_of_it() == before


def assert_refused(response: TestResponse, *statuses: int) -> None:
    """The answer is one of these problems, in the one shape that every problem has."""
    assert response.status_code in statuses, (response.status_code, response.text)
    assert response.mimetype == "application/problem+json"
    body = response.get_json()
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert response.headers["Cache-Control"] == "no-store"


def read(app: Flask, body: bytes) -> Any:
    """Return what the strict parser makes of a body."""
    context: Callable[..., Any] = app.test_request_context
    with context("/", method="POST", data=body, content_type="application/json"):
        return read_json(request)


@bounded(120)
@given(value=json_values, spaces=st.sampled_from([None, 1, "\t"]), plain=st.booleans())
def test_every_json_value_is_read_as_it_was_written(
    value: Any, spaces: Any, plain: bool, app: Flask
) -> None:
    text = json.dumps(value, indent=spaces, ensure_ascii=plain)
    try:
        body = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return
    assert read(app, body) == value


@bounded(200)
@given(
    body=st.binary(min_size=1, max_size=100)
    | st.text('{}[]",:\\ue0-9truefalsnN', min_size=1).map(str.encode)
)
@example(body=b'{"a":1,"a":1}')
@example(body=b"\xef\xbb\xbf{}")
@example(body=b"-")
@example(body=b"1e999999")
def test_a_body_is_json_or_malformed(body: bytes, app: Flask) -> None:
    try:
        value = read(app, body)
    except MalformedBody:
        return
    assert json.loads(body.decode()) == value


@bounded(50)
@given(texts=st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=4))
def test_no_text_in_place_of_a_token_does_anything(
    texts: list[str], auth: Auth, pair: dict[str, Any], sql: Sql, redis_client: redis.Redis
) -> None:
    sendable = [
        text for text in texts if "\0" not in text and not re.search("[\ud800-\udfff]", text)
    ]
    with nothing_changes(sql, redis_client):
        assert_all_refused(dict(enumerate(sendable)), [auth.refresh, auth.verify])  # type: ignore[arg-type]
        for text in sendable:
            assert_refused(auth.logout(text), 400)
    assert auth.me(pair["access"]).status_code == 200


@bounded(100)
@given(
    query=st.binary(max_size=60)
    | st.text("pagedsiz_=&0123456789.-+%eE", max_size=40).map(str.encode)
)
@example(query=b"page=1&page=2")
@example(query=b"page=%31")
@example(query=b"page=+1")
@example(query="page=٣".encode())
@example(query=b"page=1_0")
@example(query=b"day=%F0%9F%98%80")
def test_any_query_gets_a_page_or_a_refusal(
    query: bytes, client: FlaskClient, pair: dict[str, Any]
) -> None:
    for path in LISTS:
        response = client.get(
            path, headers=bearer(pair["access"]), query_string=query.decode("latin-1")
        )
        if response.status_code == 200:
            page = response.get_json()
            assert 1 <= page["page"] <= 100_000
            assert 1 <= page["page_size"] <= 200
        else:
            assert_refused(response, 422)


@bounded(80)
@given(
    path=st.binary(max_size=60) | st.text("/.%20-_abcx\\;~", max_size=40).map(str.encode),
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "PATCH", "TRACE"]),
)
@example(path=b"../../etc/passwd", method="GET")
@example(path=b"docs/../../../wsgi.py", method="GET")
@example(path=b"docs/%2e%2e%2fpasswd", method="GET")
@example(
    path=b"auth/sessions/%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00/",
    method="DELETE",
)
def test_any_path_leads_to_a_route_or_nowhere(
    path: bytes, method: str, client: FlaskClient, sql: Sql, redis_client: redis.Redis
) -> None:
    for prefix in ("/api/", "/api/auth/sessions/", "/"):
        with nothing_changes(sql, redis_client):
            response = client.open(prefix + quote(path, safe="/%;~"), method=method, buffered=True)
        if response.status_code >= 300:
            assert_refused(response, 401, 404, 405)
        assert "Location" not in response.headers


@bounded(200)
@given(value=header_values)
@example(value="a" * 64)
@example(value="a" * 65)
@example(value="abcdefgh\x00")
def test_a_request_id_is_kept_where_it_is_one_and_replaced_where_not(
    value: str, client: FlaskClient
) -> None:
    response = client.get("/api/auth/me/", environ_overrides={"HTTP_X_REQUEST_ID": value})
    assert_refused(response, 401)
    answered = response.headers["X-Request-ID"]
    assert REQUEST_ID.match(answered)
    assert (answered == value) is bool(REQUEST_ID.match(value))


addresses = st.one_of(
    header_values,
    st.ip_addresses().map(str),
    st.lists(st.ip_addresses().map(str) | header_values, max_size=4).map(", ".join),
)
forwarded = st.fixed_dictionaries(
    {},
    optional={
        "HTTP_X_FORWARDED_FOR": addresses,
        "HTTP_X_FORWARDED_PROTO": st.sampled_from(["https", "http", "HTTPS, http"]) | header_values,
        "HTTP_X_FORWARDED_HOST": header_values,
        "HTTP_X_FORWARDED_PORT": header_values,
        "HTTP_X_FORWARDED_PREFIX": header_values,
        "HTTP_X_REAL_IP": addresses,
        "HTTP_FORWARDED": header_values,
        "HTTP_VIA": header_values,
    },
)


def wrong_login(auth: Auth, headers: dict[str, str]) -> TestResponse:
    """Guess at a password, which is always audited with the address it came from."""
    guess = {"email": EMAIL, "password": "wrong"}
    return auth.post("login", guess, environ_overrides=headers)


@bounded(100)
@given(headers=forwarded)
def test_what_an_untrusted_proxy_says_changes_nothing(
    headers: dict[str, str], auth: Auth, pair: dict[str, Any], sql: Sql
) -> None:
    response = auth.me(pair["access"], environ_overrides=headers)
    assert response.status_code == 200
    assert_refused(wrong_login(auth, headers), 401)
    assert events(sql)[-1].address == "127.0.0.1"


@pytest.mark.settings(trusted_proxies=1)
@bounded(100)
@given(headers=forwarded)
def test_whatever_a_trusted_proxy_says_is_an_address_or_none(
    headers: dict[str, str], auth: Auth, pair: dict[str, Any], sql: Sql
) -> None:
    assert_refused(wrong_login(auth, headers), 401)
    last = events(sql)[-1].address
    assert last is None or re.fullmatch(r"[0-9a-f.:]+", last)


@bounded(100)
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["HTTP_COOKIE", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_RANGE", "HTTP_ORIGIN",
             "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_HOST",
             "HTTP_X_CARELINK_BACKGROUND", "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_EXPECT",
             "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", "CONTENT_TYPE",
             "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "HTTP_ACCESS_CONTROL_REQUEST_METHOD"]
        ),
        header_values,
        max_size=4,
    )
)  # fmt: skip
def test_no_other_header_changes_who_one_is(
    headers: dict[str, str], auth: Auth, pair: dict[str, Any], client: FlaskClient
) -> None:
    seen = auth.me(pair["access"], environ_overrides=headers)
    assert seen.status_code == 200
    assert seen.get_json()["session"]["id"] == pair["session"]["id"]
    assert_refused(client.get("/api/auth/me/", environ_overrides=headers), 401)
