"""What every blueprint shares: how bodies are read, fields, times, and what the document says."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask, Request, request
from flask.testing import FlaskClient

from carelink_api.api import PageArgs, Secret, Text, Time, read_json, rfc3339
from carelink_api.errors import MalformedBody, UnsupportedMediaType
from tests.auth.helpers import SQLITE

JSON = "application/json"


def read(data: bytes, content_type: str | None) -> Any:
    app = Flask(__name__)
    with app.test_request_context("/", method="POST", data=data, content_type=content_type):
        given: Request = request
        return read_json(given)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, true, null, "x"]}', {"a": [1, 2.5, True, None, "x"]}),
        (b" [1] ", [1]),
        (b'"\\u00e9"', "é"),
        ('"é"'.encode(), "é"),
        (b"", {}),
    ],
)
def test_json_is_read(data: bytes, value: Any) -> None:
    assert read(data, JSON) == value


def test_no_body_is_an_empty_object() -> None:
    assert read(b"", None) == {}


@pytest.mark.parametrize("data", [b'{"a":1,"a":1}', b'{"x":{"a":1,"a":2}}', b"NaN", b"\xff", b"{"])
def test_what_two_readers_could_read_in_two_ways_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        read(data, JSON)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_without_its_type_is_not_guessed_at(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read(b"{}", content_type)


class Fields(ma.Schema):
    text = Text(max_length=4)
    secret = Secret(max_length=4)
    at = Time()


@pytest.mark.parametrize("text", ["a", "äöü", "日本", "a b", "👍", "​x"])
def test_text_is_text(text: str) -> None:
    assert Fields().load({"text": text, "secret": text}) == {"text": text, "secret": text}


@pytest.mark.parametrize("text", ["", "abcde", "\x00", "a\nb", "\x1b", "\x7f", "\x85", "\ud83d"])
def test_text_holds_no_control_characters_and_keeps_its_bounds(text: str) -> None:
    assert set(Fields().validate({"text": text})) == {"text"}


@pytest.mark.parametrize(("secret", "good"), [("\n\t", True), ("\x00", False), ("\udc00", False)])
def test_a_secret_may_hold_anything_that_can_be_encoded(secret: str, good: bool) -> None:
    assert (Fields().validate({"secret": secret}) == {}) is good


def test_times_are_shown_in_utc_and_whole_seconds() -> None:
    at = datetime(2026, 3, 29, 2, 30, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(at) == "2026-03-29T00:30:59Z"
    assert Fields().dump({"at": at}) == {"at": "2026-03-29T00:30:59Z"}
    assert Fields().dump({"at": None}) == {"at": None}
    assert Fields().load({"at": "2026-03-29T00:30:59Z"})["at"].tzinfo == UTC


def test_a_page_has_bounds_and_defaults() -> None:
    assert PageArgs().load({}) == {"page": 1, "page_size": 50}
    for query in ({"page": "0"}, {"page": "100001"}, {"page_size": "0"}, {"page_size": "201"}):
        assert PageArgs().validate(query)


@SQLITE
def test_the_aliases_stand_in_the_document_as_deprecated(client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").get_json()["paths"]
    aliases = {
        "/api/token/": "/api/auth/login/",
        "/api/token/refresh/": "/api/auth/refresh/",
        "/api/token/blacklist/": "/api/auth/logout/",
        "/api/token/verify/": "/api/auth/verify/",
    }
    for alias, path in aliases.items():
        assert paths[alias]["post"].get("deprecated") is True
        assert "deprecated" not in paths[path]["post"]


@SQLITE
def test_what_needs_a_token_says_so_in_the_document(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").get_json()
    scheme = document["components"]["securitySchemes"]["accessToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, operations in document["paths"].items():
        for method in set(operations) & {"get", "post", "delete"}:
            url = path.replace("{sid}", "A" * 22)
            open_to_all = client.open(url, method=method.upper()).status_code in (200, 422)
            takes_another_token = ("logout/", "blacklist/", "refresh/")  # in the body or a cookie
            open_to_all |= path.endswith(takes_another_token)
            needs_token = operations[method].get("security") == [{"accessToken": []}]
            assert needs_token is not open_to_all, (method, path)


@pytest.mark.parametrize(("given", "read_as"), [("7", 7), ("7.0", 7)])
def test_a_whole_number_in_a_query_may_be_written_as_json_writes_it(
    given: str, read_as: int
) -> None:
    assert PageArgs().load({"page": given})["page"] == read_as


@pytest.mark.parametrize("given", ["7.5", "7.00", ".0", "", "x.0", "1e1", "-1.0"])
def test_nothing_else_in_a_query_is_a_page(given: str) -> None:
    with pytest.raises(ma.ValidationError):
        PageArgs().load({"page": given})
