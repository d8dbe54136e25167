"""A plain axios app on another origin, which knows nothing of grace periods, tabs or locks."""

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.client_page import open_app
from tests.browser.conftest import MakeHospital, NewContext
from tests.browser.harness import Complaints, Hospital

APP = Path(__file__).with_name("axios_app")
MINUTE = 60
EXPIRIES = 8


class _Files(SimpleHTTPRequestHandler):
    """Sends the app's files, and axios as npm has brought it."""

    axios: Path

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].strip("/") or "index.html"
        return str(self.axios if name == "axios.min.js" else APP / name)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def app_origin(node_modules: Path) -> Iterator[str]:
    """The origin of the app: another port of localhost."""
    files = type("Files", (_Files,), {"axios": node_modules / "axios/dist/axios.min.js"})
    with ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def log_in(page: Page, app_origin: str, hospital: Hospital, *, keeps_the_first: bool) -> None:
    account = hospital.create_user()
    query = f"api={hospital.origin}" + ("&keeps-the-first" if keeps_the_first else "")
    page.goto(f"{app_origin}/?{query}")
    credentials = [account.email, account.password]
    page.evaluate("([email, password]) => login(email, password)", credentials)


def test_parallel_refreshes_over_many_expiries_log_nobody_out(
    hospital: Hospital, app_origin: str, page: Page, complaints: Complaints
) -> None:
    complaints.expect("401")
    log_in(page, app_origin, hospital, keeps_the_first=False)
    tokens = set()
    for _ in range(EXPIRIES):
        hospital.server.travel(20 * MINUTE)
        # As many as a browser sends to one host at once: who has to queue may refresh with the
        # newer token already, and an older answer that arrives later would overwrite what it got.
        assert page.evaluate("callAtOnce(5)") == [200] * 5
        tokens.add(page.evaluate("localStorage.getItem('refresh')"))
    assert len(tokens) == EXPIRIES


def test_an_app_that_stores_no_new_refresh_token_works_where_rotation_is_off(
    make_hospital: MakeHospital, app_origin: str, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401")
    hospital = make_hospital(rotate_refresh_tokens=False)
    page = new_context().new_page()
    log_in(page, app_origin, hospital, keeps_the_first=True)
    for _ in range(EXPIRIES):
        hospital.server.travel(20 * MINUTE)
        assert page.evaluate("callAtOnce(8)") == [200] * 8


def test_an_app_that_stores_no_new_refresh_token_is_taken_for_a_second_holder_where_it_is_on(
    hospital: Hospital, app_origin: str, page: Page, complaints: Complaints
) -> None:
    complaints.expect("401")
    log_in(page, app_origin, hospital, keeps_the_first=True)
    hospital.server.travel(20 * MINUTE)
    assert page.evaluate("callAtOnce(8)") == [200] * 8
    hospital.server.travel(20 * MINUTE)
    assert set(page.evaluate("callAtOnce(8)")) <= {"reused", "revoked"}


def test_axios_calls_through_the_session_client(
    hospital: Hospital, node_modules: Path, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    module = node_modules / "axios/dist/esm/axios.min.js"
    app.page.route("**/axios.js", lambda route: route.fulfill(path=module))
    app.login(hospital.create_user())
    script = """async () => {
      const { default: axios } = await import("/axios.js");
      const fetch = app.session.fetch.bind(app.session);
      const api = axios.create({ adapter: "fetch", env: { fetch } });
      const { data } = await api.get("/api/auth/me/");
      return data.user.email;
    }"""
    for _ in range(2):
        hospital.let_pass(20 * MINUTE, context)
        assert app.do(script) == app.state["user"]["email"]
