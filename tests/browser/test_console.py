"""The operations console in a browser: what it shows, and what it does to others' sessions."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.auth_helper import PASSWORD, Account
from tests.browser.client_page import App, open_app
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital
from tests.clinical.ward import Ward

MINUTE = 60
PHONE = {"width": 390, "height": 844}
TABS = {
    "now": ".plot",
    "sessions": ".ops-sessions",
    "events": ".ops-events > li",
    "denylist": ".facts",
    "emergencies": ".figure-tile",
    "health": ".ops-finding",
}
"""By its address: what is there when a tab has been filled."""
OpenConsole = Callable[..., Page]


def log_in(page: Page, account: Account) -> None:
    page.get_by_label("E-mail").fill(account.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def open_console(hospital: Hospital, new_context: NewContext) -> OpenConsole:
    """Open the console in a browser of its own, as an operator who has just logged in."""

    def open_it(user_type: str = "ops", **options: Any) -> Page:
        page = new_context(**options).new_page()
        page.goto("/ops/")
        log_in(page, hospital.create_user(user_type))
        return page

    return open_it


@pytest.fixture
def workstation(hospital: Hospital, new_context: NewContext) -> tuple[App, Account]:
    """Somebody at work in another browser."""
    account = hospital.create_user("doctor", unit="Ward 7")
    app = open_app(new_context())
    app.login(account)
    return app, account


def find(console: Page, account: Account) -> None:
    """Search for somebody's sessions."""
    console.goto(f"/ops/#sessions?q={account.email}")
    expect(console.get_by_text("1 session", exact=True)).to_be_visible()


def confirm(console: Page, count: str = "1") -> None:
    console.get_by_label("Why").fill("Tablet stolen on Ward 7")
    console.get_by_label(f"Type “{count}” to confirm").fill(count)
    console.get_by_role("button", name="End ").click()


def test_a_revocation_throws_a_workstation_out_on_its_next_request(
    open_console: OpenConsole, workstation: tuple[App, Account], complaints: Complaints
) -> None:
    complaints.expect("401")
    app, account = workstation
    console = open_console()
    find(console, account)
    console.get_by_role("button", name="Revoke this session").click()
    dialog = console.get_by_role("dialog")
    expect(dialog).to_contain_text("of 1 person (doctors 1). Nothing has ended yet.")
    assert app.call() == 200
    dialog.get_by_role("button", name="End 1 session").click()
    expect(dialog).to_contain_text("Say why")
    confirm(console)
    expect(dialog).to_contain_text("Ended 1 session.")
    assert app.call()["reason"] == "revoked"
    dialog.get_by_role("button", name="Close").last.click()
    expect(console.get_by_text("No session matches.")).to_be_visible()
    console.goto("/ops/#events")
    finished = console.locator("li", has_text="Revocation finished").first
    expect(finished).to_contain_text("1 session ended · “Tablet stolen on Ward 7”")


def test_a_dry_run_changes_nothing(
    hospital: Hospital, open_console: OpenConsole, workstation: tuple[App, Account]
) -> None:
    app, _ = workstation
    console = open_console()
    console.get_by_role("button", name="Revoke …", exact=True).first.click()
    console.get_by_role("button", name="Everyone …").click()
    dialog = console.get_by_role("dialog")
    expect(dialog).to_contain_text("Your own session is among them. It ends last")
    dialog.get_by_label("Why").fill("Only a look")
    dialog.get_by_label("Type “everyone” to confirm").fill("every")
    dialog.get_by_role("button", name="End ").click()
    expect(dialog).to_contain_text("Type “everyone”, as it stands above.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert app.call() == 200
    expect(console.get_by_role("heading", name="Now")).to_be_visible()


def test_everyone_means_the_operator_too_who_still_reads_what_was_done(
    open_console: OpenConsole, workstation: tuple[App, Account], complaints: Complaints
) -> None:
    complaints.expect("401")
    app, _ = workstation
    console = open_console()
    console.get_by_role("button", name="Revoke …", exact=True).first.click()
    console.get_by_role("button", name="Everyone …").click()
    confirm(console, "everyone")
    dialog = console.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"Ended \d+ sessions\."))
    expect(dialog).to_contain_text("Your own session has ended, too")
    assert app.call()["reason"] == "revoked"
    dialog.get_by_role("button", name="Close").last.click()
    expect(console.get_by_label("Password")).to_be_visible()


def test_the_password_is_asked_for_where_the_login_is_too_long_ago(
    hospital: Hospital,
    open_console: OpenConsole,
    workstation: tuple[App, Account],
    complaints: Complaints,
) -> None:
    complaints.expect("401.*/api/ops/revocations/", "401.*/api/auth/(sessions|refresh)/")
    app, account = workstation
    console = open_console(clock=True)
    find(console, account)
    hospital.let_pass(6 * MINUTE, console.context)
    console.get_by_role("button", name="Revoke all sessions of").click()
    confirm(console)
    password = console.get_by_label("Your password")
    password.fill("not it at all")
    console.get_by_role("button", name="End 1 session").click()
    expect(console.get_by_text("That is not your password. Nothing was ended.")).to_be_visible()
    assert app.call() == 200
    password.fill(PASSWORD)
    console.get_by_role("button", name="End 1 session").click()
    expect(console.get_by_role("dialog")).to_contain_text("Ended 1 session.")
    assert app.call()["reason"] == "revoked"


def test_a_reuse_alarm_is_seen(hospital: Hospital, open_console: OpenConsole) -> None:
    console = open_console()
    alarms = console.locator("[data-series=reuse_alarms]")
    before = int(alarms.locator(".figure-value").inner_text())
    victim = hospital.create_user("doctor")
    with hospital.acting() as auth:
        first = auth.tokens(victim.email)["refresh"]
        second = auth.refresh(first).get_json()["refresh"]
        auth.refresh(second)
    hospital.server.travel(MINUTE)
    with hospital.acting() as auth:
        assert auth.refresh(first).status_code == 401
    console.reload()
    expect(alarms.locator(".figure-value")).to_have_text(str(before + 1))
    expect(alarms).to_have_class(re.compile("ops-plot-bad"))
    console.goto("/ops/#events?kind=alerts")
    alarm = console.locator("li[data-event='session:reused']").first
    expect(alarm).to_contain_text(victim.email.partition("@")[0].title())
    expect(alarm).to_contain_text("the session was ended")


def test_a_flush_changes_nothing_for_who_is_logged_in_or_out(
    hospital: Hospital, open_console: OpenConsole, workstation: tuple[App, Account]
) -> None:
    app, account = workstation
    with hospital.acting() as auth:
        gone = auth.tokens(account.email)
        auth.logout(gone["refresh"])
    console = open_console()
    console.goto("/ops/#denylist")
    console.get_by_role("button", name="Flush …").click()
    dialog = console.get_by_role("dialog")
    expect(dialog).to_contain_text("Nobody is logged out, and nobody who was revoked gets back in")
    dialog.get_by_label("Why").fill("A drill")
    dialog.get_by_role("button", name="Flush the denylist").click()
    expect(dialog).to_contain_text(re.compile(r"Dropped \d+ entr"))
    assert app.call() == 200
    with hospital.server.client() as client:
        headers = {"Authorization": f"Bearer {gone['access']}"}
        assert client.get("/api/auth/me/", headers=headers).json()["reason"] == "revoked"


def test_an_administrator_finds_the_review_queue_and_nothing_else(
    hospital: Hospital, open_console: OpenConsole
) -> None:
    doctor = hospital.create_user("doctor", name="Ines Okafor")
    with hospital.acting() as auth:
        ward = Ward(auth.app)
        emergency = {
            "patient_id": ward.patient("Ada Byron", unit_id=ward.unit("ICU")),
            "reason_code": "covering",
            "reason_text": "In for a colleague tonight",
        }
        assert ward.post(doctor, "/api/break-glass/", emergency).status_code == 201
    page = open_console("admin")
    expect(page.locator(".ops-tabs a")).to_have_text(["Review queue", "Accounts"])
    expect(page.get_by_role("button", name="Revoke …")).to_have_count(0)
    card = page.locator("article", has_text="Ines Okafor")
    expect(card).to_contain_text("In for a colleague: “In for a colleague tonight”")
    expect(page.locator("body")).not_to_contain_text("Byron")
    card.get_by_label("Finding").select_option("appropriate")
    card.get_by_label("Comment").fill("She had the ward that night")
    card.get_by_role("button", name="Settle").click()
    expect(page.get_by_text("Nothing waits for a review.")).to_be_visible()


def test_nobody_else_gets_a_console(open_console: OpenConsole) -> None:
    page = open_console("doctor")
    expect(page.get_by_role("heading", name="Not for this account")).to_be_visible()


@pytest.mark.parametrize(("scheme", "viewport"), [("light", None), ("dark", PHONE)])
def test_no_tab_has_a_serious_barrier_or_scrolls_sideways(
    open_console: OpenConsole,
    node_modules: Path,
    workstation: tuple[App, Account],
    scheme: str,
    viewport: dict[str, int] | None,
) -> None:
    options = {"viewport": viewport} if viewport else {}
    console = open_console(color_scheme=scheme, reduced_motion="reduce", **options)
    expect(console.locator(".plot").first).to_be_visible()
    axe = (node_modules / "axe-core" / "axe.min.js").read_text()
    console.evaluate(axe)
    for tab, content in TABS.items():
        console.evaluate("(hash) => { location.hash = hash; }", tab)
        expect(console.locator(f"[data-tab={tab}]")).to_have_attribute("aria-current", "page")
        expect(console.locator(content).first).to_be_visible()
        assert barriers(console) == [], tab
        assert console.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
    console.get_by_role("button", name="Revoke …", exact=True).first.click()
    console.get_by_role("button", name="Everyone …").click()
    expect(console.get_by_label("Why")).to_be_focused()
    assert barriers(console) == []


def barriers(page: Page) -> list[str]:
    """Return what axe finds that is serious or worse, each with its place."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['nodes'][0]['target']} {each['nodes'][0]['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_every_tab_is_in_sight_on_a_usual_screen(open_console: OpenConsole) -> None:
    console = open_console()
    expect(console.locator("#pill")).not_to_have_text("…")
    for width in (1366, 1280, 1200, 1030):
        console.set_viewport_size({"width": width, "height": 720})
        for tab in console.locator(".ops-tabs a").all():
            expect(tab).to_be_in_viewport(ratio=1)


def test_nobody_leaves_the_lock_screen_by_the_browsers_way_back(open_console: OpenConsole) -> None:
    console = open_console()
    expect(console.locator(TABS["now"]).first).to_be_visible()
    console.get_by_role("link", name="Stores", exact=True).click()
    expect(console.locator(TABS["health"]).first).to_be_visible()
    console.get_by_role("button", name="Lock").click()
    console.go_back()
    expect(console.get_by_role("heading", level=1)).to_have_text("Locked")
    console.get_by_label("Password").fill(PASSWORD)
    console.get_by_role("button", name="Unlock").click()
    expect(console.locator(TABS["now"]).first).to_be_visible()


def test_no_dialogue_opens_over_the_lock_screen(open_console: OpenConsole) -> None:
    console = open_console()
    expect(console.locator(TABS["now"]).first).to_be_visible()
    held: list[Route] = []
    console.get_by_role("link", name="Stores", exact=True).click()  # which asks for no numbers
    console.route("**/numbers/", lambda route: held.append(route))
    console.get_by_role("button", name="Revoke …", exact=True).click()
    console.wait_for_function("() => true")
    console.get_by_role("button", name="Lock").click()
    expect(console.get_by_role("heading", level=1)).to_have_text("Locked")
    with console.expect_response("**/numbers/"):
        held[0].continue_()
    console.unroute("**/numbers/")
    expect(console.locator("dialog")).to_have_count(0)
    console.get_by_label("Password").fill(PASSWORD)
    console.get_by_role("button", name="Unlock").click()
    expect(console.get_by_role("dialog")).to_contain_text("Revoke sessions")


def test_a_revocation_that_takes_several_calls_goes_on_until_nothing_remains(
    open_console: OpenConsole, workstation: tuple[App, Account], complaints: Complaints
) -> None:
    complaints.expect("401")
    app, account = workstation
    console = open_console()
    find(console, account)
    asked: list[Any] = []

    def come_short(route: Route) -> None:
        """Answer the first two orders as a service does whose time was over."""
        order = route.request.post_data_json
        if order["dry_run"] or len(asked) == 2:
            return route.continue_()
        asked.append(order)
        progress = {"ended": 3, "remaining": 4, "done": False, "dry_run": False}
        facts = {"selected": 7, "users": 7, "by_user_type": [], "includes_own": False}
        return route.fulfill(json=facts | progress)

    console.route("**/revocations/", come_short)
    console.get_by_role("button", name="Revoke this session").click()
    confirm(console)
    expect(console.get_by_role("dialog")).to_contain_text("Ended 7 sessions.")
    assert asked[0] == asked[1]
    assert app.call()["reason"] == "revoked"


def test_an_address_range_of_staff_is_looked_at_before_anything_ends(
    open_console: OpenConsole, workstation: tuple[App, Account], complaints: Complaints
) -> None:
    complaints.expect("422")
    app, _ = workstation
    console = open_console()
    console.get_by_role("button", name="Revoke …", exact=True).first.click()
    typed = console.get_by_label("Or an address range of staff")
    typed.fill("10.20.30.40/16")
    console.get_by_role("button", name="Next").click()
    dialog = console.get_by_role("dialog")
    expect(dialog).to_contain_text("write 10.20.0.0/16 for all of the range")
    typed.fill("10.20.0.0/16")
    console.get_by_role("button", name="Next").click()
    expect(dialog).to_contain_text("there is no active session of staff from 10.20.0.0/16")
    dialog.get_by_role("button", name="Close").last.click()
    assert app.call() == 200
