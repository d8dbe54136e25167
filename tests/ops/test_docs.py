"""The documentation page, and the document that it shows."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient


class Page(HTMLParser):
    """Collects what a page loads and what it carries inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.addresses += [names[name] or "" for name in ("src", "href") if name in names]
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


@pytest.mark.parametrize("path", ["/api/docs/", "/api/docs"])
def test_the_page_answers_with_and_without_its_slash(client: FlaskClient, path: str) -> None:
    answer = client.get(path, buffered=True)
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"


def test_the_page_carries_nothing_inline(client: FlaskClient) -> None:
    assert Page(client.get("/api/docs/", buffered=True).text).inline == []


def test_the_page_loads_only_from_this_service(client: FlaskClient) -> None:
    addresses = Page(client.get("/api/docs/", buffered=True).text).addresses
    assert len(addresses) >= 5
    for address in addresses:
        assert re.match(r"/[^/]", address)
        assert client.get(address, buffered=True).status_code == 200


def test_the_policy_of_the_page_allows_no_inline_code_and_no_other_origin(
    client: FlaskClient,
) -> None:
    answer = client.get("/api/docs/", buffered=True)
    directives = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_scripts_are_sent_as_scripts_and_checked_again_by_etag(client: FlaskClient) -> None:
    first = client.get("/api/docs/swagger-ui-bundle.js", buffered=True)
    assert first.mimetype == "text/javascript"
    again = client.get(
        "/api/docs/swagger-ui-bundle.js",
        headers={"If-None-Match": first.headers["ETag"]},
        buffered=True,
    )
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["oauth2-redirect.html", "swagger-ui.js", "..%2f..%2fconfig.py"])
def test_no_other_file_is_sent(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/api/docs/{name}")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_the_document_and_the_served_routes_are_the_same(
    app: Flask, document: dict[str, Any]
) -> None:
    pages = {"docs.page", "docs.asset", "api-docs.openapi_json"}
    served = {
        (re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/.well-known/")) and rule.endpoint not in pages
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in _operations(document)} == served


def test_every_documented_error_is_a_problem(document: dict[str, Any]) -> None:
    responses = list(_error_responses(document))
    assert responses
    for response in responses:
        assert list(response["content"]) == ["application/problem+json"]


def test_the_appointments_name_their_credential_and_their_refusals(
    document: dict[str, Any],
) -> None:
    operation = document["paths"]["/api/appointments/"]["get"]
    assert operation["security"] == [{"accessToken": []}]
    assert {"200", "401", "403", "422", "503"} <= set(operation["responses"])
    scheme = document["components"]["securitySchemes"]["accessToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _references(child)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield path, method, operation


def _error_responses(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every response of every operation that is no success."""
    for _, _, operation in _operations(document):
        for status, response in operation["responses"].items():
            if not status.startswith(("2", "3")):
                name = response.get("$ref", "").rpartition("/")[2]
                yield document["components"]["responses"][name] if name else response
