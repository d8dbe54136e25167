"""The ward workstation, the operations console, and the files that they are made of."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from carelink_api.ops.pages import _FOLDER
from tests.auth.helpers import SQLITE
from tests.ops.test_docs import Page

pytestmark = SQLITE
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"}
PAGES = ("/", "/ops/")
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


def page(client: FlaskClient, path: str) -> Page:
    return Page(client.get(path, headers=BROWSER, buffered=True).text)


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_gets_the_page_under_the_strict_policy(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=BROWSER, buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert dict(part.split(" ", 1) for part in policy.split("; ")) == POLICY
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html"])
def test_any_other_client_gets_the_links(client: FlaskClient, accept: str | None) -> None:
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.get_json()["pages"] == {"ward": "/", "operations": "/ops/"}


def test_a_cache_tells_the_two_answers_of_the_root_apart(client: FlaskClient) -> None:
    for headers in (BROWSER, {"Accept": "application/json"}):
        assert "Accept" in client.get("/", headers=headers, buffered=True).headers["Vary"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_carries_nothing_inline_and_loads_only_what_is_there(
    client: FlaskClient, path: str
) -> None:
    found = page(client, path)
    assert found.inline == []
    assert len(found.addresses) >= 3
    for address in found.addresses:
        assert re.match(r"[/#](?!/)", address)
        assert client.get(address, buffered=True, headers=BROWSER).status_code == 200


def imported(script: Path) -> set[Path]:
    """Return the scripts that one loads before it runs, itself among them."""
    found, waiting = set[Path](), [script]
    while waiting:
        path = waiting.pop()
        found.add(path)
        names = re.findall(r'^(?:import|export)\b[^;]*?\bfrom "(.+?)"', path.read_text(), re.M)
        waiting += {(path.parent / name).resolve() for name in names} - found
    return found


@pytest.mark.parametrize(("path", "script"), [("/", "ward/ward.js"), ("/ops/", "ops/ops.js")])
def test_a_page_names_every_module_so_that_none_waits_for_another(
    client: FlaskClient, path: str, script: str
) -> None:
    folder = _FOLDER.resolve()
    needed = {f"/static/{each.relative_to(folder)}" for each in imported(folder / script)}
    named = {each for each in page(client, path).addresses if each.endswith(".js")}
    assert named == needed


@pytest.mark.parametrize(
    ("name", "kind"),
    [("carelink.css", "text/css"), ("ui.js", "text/javascript"), ("icon.svg", "image/svg+xml")],
)
def test_a_file_is_sent_as_what_it_is_and_checked_again_by_etag(
    client: FlaskClient, name: str, kind: str
) -> None:
    first = client.get(f"/static/{name}", buffered=True)
    assert (first.status_code, first.mimetype) == (200, kind)
    assert first.headers["Cache-Control"] == "no-cache"
    seen = {"If-None-Match": first.headers["ETag"]}
    assert client.get(f"/static/{name}", headers=seen, buffered=True).status_code == 304


@pytest.mark.parametrize(
    "name", ["ward.html", "nothing.js", "../pages.py", "..%2fops%2fpages.py", "docs", ".css", ""]
)
def test_no_other_file_is_sent(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/static/{name}")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_no_script_makes_markup_or_code_of_a_text(client: FlaskClient) -> None:
    made = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    scripts = list(_FOLDER.rglob("*.js"))
    assert scripts
    for path in scripts:
        assert not re.search(made, path.read_text()), path
