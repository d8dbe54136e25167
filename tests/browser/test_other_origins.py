"""The session client on a page of another host: with the cookie on the same site, and not beyond.

Chromium takes every name under `localhost` for this machine, and each registrable name under it for
a site of its own.
"""

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

import carelink_api
from tests.browser.conftest import MakeHospital
from tests.browser.harness import Complaints, Hospital

STATIC = Path(carelink_api.__file__).with_name("static")
SAME_SITE, ANOTHER_SITE = "app.care.localhost", "app.elsewhere.localhost"
NOT_LISTED = "unknown.care.localhost"
PAGE = b"""<!doctype html><title>App</title><link rel="icon" href="data:,"><script type="module">
  import { createSession } from "/session.js";
  const asked = new URLSearchParams(location.search);
  window.session = createSession({ baseUrl: asked.get("api"), transport: asked.get("transport") });
  window.outcome = (promise) => promise.then((found) => found.status, ({ name }) => name);
</script>"""


class _Files(SimpleHTTPRequestHandler):
    """Sends the app's page, and the session client as an app has copied it."""

    def do_GET(self) -> None:
        if not self.path.startswith("/?"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def translate_path(self, path: str) -> str:
        return str(STATIC / path.lstrip("/"))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the app is served, under every name."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def listing(make_hospital: MakeHospital, port: int) -> Hospital:
    """A hospital that lists two of the origins by name."""
    return make_hospital(
        cors_origins=[f"http://{host}:{port}" for host in (SAME_SITE, ANOTHER_SITE)]
    )


@pytest.fixture
def open_app(page: Page, listing: Hospital, port: int) -> Any:
    """Open the app on a host, or open it again: it goes on where this browser was."""

    def open_it(host: str, transport: str) -> None:
        api = f"http://api.care.localhost:{listing.server.port}"
        page.goto(f"http://{host}:{port}/?api={api}&transport={transport}")
        page.wait_for_function("() => window.session")

    return open_it


def log_in(page: Page, hospital: Hospital) -> Any:
    account = hospital.create_user()
    log_in = "([name, password]) => outcome(session.login(name, password))"
    return page.evaluate(log_in, [account.email, account.password])


def restored(page: Page) -> Any:
    return page.evaluate("() => outcome(session.restore())")


def called(page: Page) -> Any:
    return page.evaluate("() => outcome(session.fetch('/api/auth/me/'))")


def test_on_another_host_of_the_site_the_cookie_goes_on_after_a_reload(
    listing: Hospital, page: Page, open_app: Any
) -> None:
    open_app(SAME_SITE, "cookie")
    assert log_in(page, listing) == "active"
    assert page.evaluate("() => document.cookie") == ""  # it belongs to the API's host
    open_app(SAME_SITE, "cookie")
    assert restored(page) == "active"
    assert called(page) == 200
    page.evaluate("() => session.logout()")
    open_app(SAME_SITE, "cookie")
    assert restored(page) == "signed-out"


def test_on_another_site_the_cookie_is_not_kept_and_the_body_works(
    listing: Hospital, page: Page, open_app: Any
) -> None:
    open_app(ANOTHER_SITE, "cookie")
    assert log_in(page, listing) == "active"
    assert page.context.cookies() == []  # SameSite=Strict
    open_app(ANOTHER_SITE, "body")
    assert log_in(page, listing) == "active"
    assert called(page) == 200


def test_a_page_that_is_not_listed_gets_no_answer_and_no_cookie(
    listing: Hospital, page: Page, open_app: Any, complaints: Complaints
) -> None:
    complaints.expect("CORS", "ERR_FAILED")
    open_app(NOT_LISTED, "cookie")
    assert log_in(page, listing) == "Unreachable"
    assert page.context.cookies() == []
