"""The session client on a bad network and with a server that asks to wait: nobody is logged out."""

import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Route

from tests.browser.client_page import App, Asked, open_app
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital

MINUTE = 60
REFRESH = "**/api/auth/refresh/"
FAILED = "Failed to load resource.*/api/auth/"


@pytest.fixture
def clocked(new_context: NewContext, complaints: Complaints) -> BrowserContext:
    """A browser whose time can be moved; what the network does to it is no complaint."""
    complaints.expect(FAILED)
    return new_context(clock=True)


@pytest.fixture
def app(hospital: Hospital, clocked: BrowserContext) -> App:
    """A tab in which somebody has logged in."""
    app = open_app(clocked)
    app.login(hospital.create_user())
    return app


def rotate_but_lose_the_answer(route: Route) -> None:
    """Let the server answer the request, and the browser never hear of it."""
    request = route.request
    headers = {k: v for k, v in request.all_headers().items() if not k.startswith(":")}
    answer = httpx.post(request.url, headers=headers, content=request.post_data_buffer)
    assert answer.status_code == 200, answer.text
    route.abort("connectionreset")


def once(page_answer: Callable[[Route], None]) -> Callable[[Route], None]:
    """Answer one request so, and let the further ones through."""
    waiting = [page_answer]

    def handle(route: Route) -> None:
        (waiting.pop() if waiting else Route.continue_)(route)

    return handle


def asks_to_wait(status: int, seconds: int) -> Callable[[Route], None]:
    """Answer as a throttle or a database that is away does."""
    return lambda route: route.fulfill(
        status=status,
        content_type="application/problem+json",
        headers={"Retry-After": str(seconds)},
        body='{"code": "unavailable"}',
    )


@pytest.mark.parametrize("transport", ["cookie", "body"])
def test_an_answer_that_is_lost_after_the_server_rotated_is_asked_for_again(
    hospital: Hospital, clocked: BrowserContext, transport: str
) -> None:
    app = open_app(clocked, transport=transport)
    app.login(hospital.create_user())
    for _ in range(3):
        app.page.route(REFRESH, once(rotate_but_lose_the_answer))
        with app.page.expect_response(REFRESH) as answer:
            hospital.let_pass(20 * MINUTE, clocked)
            assert app.call(times=10) == [200] * 10
        assert answer.value.json()["reissued"] is True
        app.page.unroute(REFRESH)
    assert app.events("ended") == []


def test_a_page_offline_for_longer_than_its_token_goes_on_when_it_is_back(
    hospital: Hospital, clocked: BrowserContext, app: App
) -> None:
    clocked.set_offline(True)
    assert app.call()["error"] == "Unreachable"
    hospital.let_pass(40 * MINUTE, clocked)
    assert app.call()["error"] == "Unreachable"
    assert app.state["status"] == "active"
    clocked.set_offline(False)
    app.wait_for("app.events.at(-1)[0] === 'online'")
    assert app.call(times=5) == [200] * 5
    assert len(app.events("offline")) >= 1
    assert app.events("ended") == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_a_second_is_waited_for(
    hospital: Hospital, clocked: BrowserContext, app: App, status: int
) -> None:
    hospital.let_pass(20 * MINUTE, clocked)
    app.page.route(REFRESH, once(asks_to_wait(status, 1)))
    begun = time.monotonic()
    assert app.call(times=5) == [200] * 5
    assert time.monotonic() - begun >= 1


def test_a_server_that_asks_to_wait_a_minute_is_left_alone_for_a_minute(
    hospital: Hospital, clocked: BrowserContext, app: App
) -> None:
    asked = Asked(app)
    hospital.let_pass(20 * MINUTE, clocked)
    app.page.route(REFRESH, once(asks_to_wait(503, 60)))
    assert app.call()["error"] == "Unreachable"
    assert {outcome["error"] for outcome in app.call(times=20)} == {"Unreachable"}
    assert asked.refreshes() == 1
    assert app.state["status"] == "active"
    hospital.let_pass(62, clocked)
    assert app.call() == 200


def test_a_refresh_ahead_of_time_that_fails_costs_nothing(
    hospital: Hospital, clocked: BrowserContext, app: App
) -> None:
    hospital.let_pass(MINUTE, clocked)
    assert app.call() == 200
    app.page.route(REFRESH, lambda route: route.abort())
    with app.page.expect_request(REFRESH):
        hospital.let_pass(13 * MINUTE + 5, clocked)
    assert app.call() == 200


@pytest.mark.parametrize("status", [200, 403])
def test_the_page_of_a_proxy_in_between_logs_nobody_out(
    hospital: Hospital, clocked: BrowserContext, app: App, status: int
) -> None:
    hospital.let_pass(20 * MINUTE, clocked)
    page = {"status": status, "content_type": "text/html", "body": "<h1>Log in to the Wi-Fi"}
    app.page.route(REFRESH, lambda route: route.fulfill(**page))
    app.start_call()
    clocked.clock.run_for(10_000)
    assert app.outcomes()[0]["error"] == "Unreachable"
    assert app.state["status"] == "active"
    app.page.unroute(REFRESH)
    hospital.let_pass(MINUTE, clocked)
    assert app.call() == 200


def test_a_log_out_without_network_holds_at_once_and_is_told_later(
    hospital: Hospital, clocked: BrowserContext, app: App
) -> None:
    sid = app.state["session"]["id"]
    email = app.state["user"]["email"]
    app.page.route("**/api/**", lambda route: route.abort())
    app.page.evaluate("() => { window.leaving = app.session.logout(); return null; }")
    assert app.state["status"] == "signed-out"
    assert app.call()["reason"] == "logged_out"
    assert sid in hospital.run("sessions", "list", "--user", email, "--json")
    app.reload()  # which forgets what was under way
    app.page.unroute("**/api/**")
    assert app.restore()["status"] == "signed-out"
    assert sid not in hospital.run("sessions", "list", "--user", email, "--json")


def test_a_page_that_loads_while_the_server_is_away_finds_its_session_later(
    hospital: Hospital, clocked: BrowserContext, app: App
) -> None:
    app.page.route(REFRESH, asks_to_wait(503, 30))
    app.reload()
    assert app.restore()["error"] == "Unreachable"
    assert app.state["status"] == "unknown"
    app.page.unroute(REFRESH)
    hospital.let_pass(32, clocked)
    app.wait_for("app.session.state.status === 'active'")


def test_a_wrong_password_changes_nothing(app: App, hospital: Hospital) -> None:
    script = "(email) => app.session.login(email, 'not the password at all')"
    refused = app.do(script, app.state["user"]["email"])
    assert (refused["error"], refused["status"]) == ("ProblemError", 401)
    assert refused["problem"]["code"] == "invalid_credentials"
    assert app.call() == 200
