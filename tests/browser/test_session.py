"""The session client in a real browser, against a real server."""

from tests.browser.client_page import open_app
from tests.browser.conftest import NewContext
from tests.browser.harness import Hospital

MINUTE = 60


def test_it_refreshes_once_for_many_calls_after_the_expiry(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context, transport="body")
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    assert app.login(hospital.create_user())["status"] == "active"
    for _ in range(3):
        asked.clear()
        hospital.let_pass(20 * MINUTE, context)
        assert app.call(times=30) == [200] * 30
        assert len([url for url in asked if "refresh" in url]) == 1
