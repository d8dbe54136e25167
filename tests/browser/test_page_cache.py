"""The browser's memory of pages: who goes back after the end of a session sees nothing of it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

from tests.browser.conftest import PATIENCE_MS
from tests.browser.harness import Complaints, Hospital, find_chromium
from tests.browser.ward_page import NAMES, Unit, WardPage

NOTE_IT = """
addEventListener("pagehide", ({ persisted }) => localStorage.setItem("kept", persisted));
addEventListener("pageshow", ({ persisted }) => persisted && localStorage.setItem("back", "yes"));
"""


@pytest.fixture
def context(
    browser: Browser, hospital: Hospital, complaints: Complaints
) -> Iterator[BrowserContext]:
    """A browser that keeps pages in memory; Playwright turns that off."""
    own = browser.browser_type.launch(
        executable_path=find_chromium(),
        args=["--no-sandbox"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context = own.new_context(base_url=hospital.origin)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(NOTE_IT)
    complaints.watch(context)
    yield context
    own.close()
    assert complaints.unexpected == []


def may_be_kept(route: Route) -> None:
    """Answer as if the page might be stored: as it is sent, Chromium would never keep it."""
    answer = route.fetch()
    assert answer.headers["cache-control"] == "no-store"
    route.fulfill(response=answer, headers=answer.headers | {"cache-control": "no-cache"})


def test_a_page_that_comes_back_from_memory_shows_nothing_of_a_session_that_has_ended(
    hospital: Hospital, context: BrowserContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/refresh/")
    unit = Unit(hospital)
    nurse = unit.nurse("Mirela Santos")
    context.route(f"{hospital.origin}/", may_be_kept)
    ward = WardPage(context)
    ward.log_in(nurse)
    ward.open_chart(NAMES[0])
    ward.page.goto("/api/docs/")
    assert ward.page.evaluate("() => localStorage.getItem('kept')") == "true"
    with hospital.acting() as auth:
        auth.logout_all(auth.tokens(nurse.email)["access"])
    ward.page.evaluate("() => history.back()")
    expect(ward.page.get_by_label("E-mail")).to_be_visible()
    assert ward.page.evaluate("() => localStorage.getItem('back')") == "yes"
    ward.assert_holds_nothing_of(*NAMES, *unit.mrns, unit.name, "Mirela")
