"""Several tabs of one browser: one refresh for all, one log-out for all, one user at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Route

from tests.auth_helper import Account
from tests.browser.client_page import App, Asked, open_app
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital

MINUTE = 60
BARE = "delete Navigator.prototype.locks; delete window.BroadcastChannel;"


def open_tabs(
    context: BrowserContext, account: Account, count: int = 4, **options: Any
) -> list[App]:
    """Log in in the first of some tabs; the others learn of it."""
    tabs = [open_app(context, **options) for _ in range(count)]
    for tab in tabs:
        tab.restore()
    tabs[0].login(account)
    for tab in tabs[1:]:
        tab.wait_for("app.session.state.status === 'active'")
    return tabs


def call_from_all(tabs: Sequence[App], times: int = 5) -> list[Any]:
    """Call from all the tabs at once; return the outcomes."""
    for tab in tabs:
        tab.start_call(times=times)
    return [outcome for tab in tabs for outcome in tab.outcomes()]


@pytest.mark.parametrize("transport", ["cookie", "body"])
def test_four_tabs_need_one_refresh(
    hospital: Hospital, new_context: NewContext, transport: str
) -> None:
    context = new_context(clock=True)
    tabs = open_tabs(context, hospital.create_user(), transport=transport)
    asked = Asked(*tabs)
    for _ in range(3):
        hospital.let_pass(20 * MINUTE, context)
        assert call_from_all(tabs) == [200] * 20
        assert asked.refreshes() == 1


def test_tabs_without_locks_and_news_of_each_other_all_stay_logged_in(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    context.add_init_script(BARE)
    first = open_app(context)
    first.login(hospital.create_user())
    tabs = [first, *(open_app(context) for _ in range(3))]
    assert [tab.restore()["status"] for tab in tabs] == ["active"] * 4
    asked = Asked(*tabs)
    for _ in range(3):
        hospital.let_pass(20 * MINUTE, context)
        assert call_from_all(tabs) == [200] * 20
        assert asked.refreshes() <= len(tabs)


def test_a_tab_that_slept_past_two_expiries_wakes_up_logged_in(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    awake, asleep = open_tabs(context, hospital.create_user(), 2)
    lifecycle = context.new_cdp_session(asleep.page)
    lifecycle.send("Page.setWebLifecycleState", {"state": "frozen"})
    for _ in range(2):
        hospital.server.travel(20 * MINUTE)
        awake.page.clock.fast_forward(20 * MINUTE * 1000)
        assert awake.call() == 200
    lifecycle.send("Page.setWebLifecycleState", {"state": "active"})
    assert call_from_all([awake, asleep]) == [200] * 10
    assert asleep.events("ended") == []


def test_a_log_out_reaches_every_tab_without_waiting_for_time_to_pass(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    tabs = open_tabs(context, hospital.create_user())
    context.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))  # no timer fires from here
    tabs[0].do("() => app.session.logout()")
    for tab in tabs:
        tab.wait_for("app.events.some(([kind]) => kind === 'ended')")
        assert tab.events("ended") == [{"reason": "logged_out"}]
        assert tab.state["user"] is None
        tab.reload()
        assert tab.restore()["status"] == "signed-out"


def test_a_lock_covers_every_tab_and_one_password_opens_them(
    hospital: Hospital, new_context: NewContext
) -> None:
    account = hospital.create_user()
    one, other = open_tabs(new_context(), account, 2)
    one.do("() => app.session.lock()")
    other.wait_for("app.session.state.status === 'locked'")
    assert other.call()["reason"] == "locked"
    other.reauthenticate(account)
    one.wait_for("app.session.state.status === 'active'")
    assert call_from_all([one, other]) == [200] * 10


def test_another_users_login_in_another_tab_ends_the_first_users_page(
    hospital: Hospital, new_context: NewContext
) -> None:
    first, second = hospital.create_user(), hospital.create_user()
    stale, shared = open_tabs(new_context(), first, 2)
    sid = shared.state["session"]["id"]
    assert shared.login(second)["user"]["email"] == second.email
    stale.wait_for("app.session.state.status === 'signed-out'")
    assert stale.events("ended") == [{"reason": "other_user"}]
    assert stale.state["user"] is None
    assert stale.call()["reason"] == "other_user"
    assert shared.call() == 200
    assert f'"{sid}"' not in hospital.run("sessions", "list", "--user", first.email, "--json")
    assert stale.restore()["user"]["email"] == second.email


def test_another_users_cookie_is_noticed_even_without_news_of_it(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    context.add_init_script(BARE)
    first, second = hospital.create_user(), hospital.create_user()
    stale, shared = open_app(context), open_app(context)
    stale.login(first)
    shared.login(second)
    hospital.let_pass(20 * MINUTE, context)
    assert stale.call()["reason"] == "other_user"
    assert stale.state["user"] is None
    assert shared.call() == 200


def test_an_answer_that_arrives_after_the_log_out_is_dropped(
    hospital: Hospital, new_context: NewContext
) -> None:
    app = open_app(new_context())
    app.login(hospital.create_user())
    held: list[Route] = []
    app.page.route("**/api/auth/me/", lambda route: held.append(route))
    with app.page.expect_request("**/api/auth/me/"):
        app.start_call("/api/auth/me/")
    app.do("() => app.session.logout()")
    (outcome,) = app.outcomes()
    assert (outcome["error"], outcome["reason"]) == ("SessionEnded", "logged_out")
    assert app.call()["reason"] == "logged_out"
    held[0].abort()


@pytest.mark.parametrize("transport", ["cookie", "body"])
def test_a_refresh_under_way_does_not_bring_a_logged_out_session_back(
    hospital: Hospital, new_context: NewContext, complaints: Complaints, transport: str
) -> None:
    complaints.expect("Clear-Site-Data.*credentials mode")  # without cookies there is no right to
    context = new_context(clock=True)
    one, other = open_tabs(context, hospital.create_user(), 2, transport=transport)
    hospital.let_pass(20 * MINUTE, context)
    held: list[Route] = []
    one.page.route("**/api/auth/refresh/", lambda route: held.append(route))
    with one.page.expect_request("**/api/auth/refresh/"):
        one.start_call()
    other.do("() => app.session.logout()")
    one.wait_for("app.session.state.status === 'signed-out'")
    assert one.outcomes()[0]["reason"] == "logged_out"
    held[0].continue_()
    for tab in (one, other):
        tab.page.unroute("**/api/auth/refresh/")
        tab.reload()
        assert tab.restore()["status"] == "signed-out"


def test_a_session_logged_out_everywhere_is_over_on_other_devices(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401")
    account = hospital.create_user()
    here, there = open_app(new_context()), open_app(new_context())
    here.login(account)
    there.login(account)
    here.do("() => app.session.logoutEverywhere()")
    assert here.state["status"] == "signed-out"
    assert there.call()["reason"] == "revoked"
