"""One page with the session client: silent refresh, ends, warnings and the lock."""

from datetime import timedelta

import pytest

from tests.browser.client_page import Asked, open_app
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital
from tests.servers import ValkeyServer
from tests.shifts.helpers import give_shift

MINUTE = 60
HOUR = 3600
POLL = {"background": True}


@pytest.mark.parametrize("transport", ["cookie", "body"])
def test_it_refreshes_once_for_many_calls_after_the_expiry(
    hospital: Hospital, new_context: NewContext, transport: str
) -> None:
    context = new_context(clock=True)
    app = open_app(context, transport=transport)
    asked = Asked(app)
    assert app.login(hospital.create_user())["status"] == "active"
    for _ in range(3):
        hospital.let_pass(20 * MINUTE, context)
        assert app.call(times=30) == [200] * 30
        assert asked.refreshes() == 1
    assert app.events("ended") == []


def test_a_user_at_work_is_refreshed_before_the_token_expires(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    asked = Asked(app)
    app.login(hospital.create_user())
    hospital.let_pass(10 * MINUTE, context)
    assert app.call() == 200
    assert asked.refreshes() == 0
    with app.page.expect_response("**/refresh/"):
        hospital.let_pass(4 * MINUTE + 5, context)
    assert app.call() == 200
    assert asked.refreshes() == 1


def test_nobody_is_refreshed_who_does_nothing(hospital: Hospital, new_context: NewContext) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    asked = Asked(app)
    app.login(hospital.create_user())
    for _ in range(8):
        hospital.let_pass(5 * MINUTE, context)
    assert app.state["status"] == "active"
    assert asked.refreshes() == 0


def test_a_reload_goes_on_with_the_session_and_no_token_is_kept_by_the_page(
    hospital: Hospital, new_context: NewContext
) -> None:
    app = open_app(new_context())
    assert app.restore()["status"] == "signed-out"
    app.login(hospital.create_user())
    kept = app.page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in kept
    assert "eyJ" not in app.page.evaluate("() => document.cookie")
    app.reload()
    assert app.restore()["status"] == "active"
    assert app.call() == 200


def test_polling_keeps_nobody_logged_in_and_the_screen_locks_after_a_warning(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    account = hospital.create_user(unit="Stroke unit", profile="high_security")
    first = app.login(account)["session"]["id"]
    for _ in range(14):
        hospital.let_pass(MINUTE, context)
        assert app.call(**POLL) == 200
    hospital.let_pass(10, context)
    assert [warning["kind"] for warning in app.events("warning")] == ["idle"]
    hospital.let_pass(MINUTE, context)
    assert app.state["status"] == "locked"
    assert app.state["reason"] == "idle"
    assert app.call(**POLL)["reason"] == "idle"
    unlocked = app.reauthenticate(account)
    assert unlocked["status"] == "active"
    assert unlocked["session"]["id"] != first
    assert app.call() == 200


def test_the_server_ends_an_idle_session_that_only_polls_and_the_page_locks(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401")
    app = open_app(new_context())
    account = hospital.create_user(unit="Stroke unit", profile="high_security")
    app.login(account)
    for _ in range(4):
        hospital.server.travel(4 * MINUTE - 10)  # the browser's clock hardly moves
        assert app.call(**POLL) == 200
    hospital.server.travel(2 * MINUTE)
    assert app.call(**POLL)["reason"] == "idle"
    assert app.events("ended") == [{"reason": "idle"}]
    assert (app.state["status"], app.state["user"]["email"]) == ("locked", account.email)
    app.reauthenticate(account)
    assert app.call() == 200


def test_a_token_that_is_short_because_of_inactivity_is_not_renewed_in_a_loop(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    asked = Asked(app)
    app.login(hospital.create_user(unit="Stroke unit", profile="high_security"))
    hospital.let_pass(12 * MINUTE, context)
    for _ in range(8):
        assert app.call(**POLL) == 200
        hospital.let_pass(20, context)
    assert asked.refreshes() == 1
    assert app.call() == 200  # the user is back
    with app.page.expect_response("**/refresh/"):
        hospital.let_pass(MINUTE, context)
    hospital.let_pass(2 * MINUTE, context)
    assert app.call() == 200
    assert asked.refreshes() <= 2


def test_typing_for_long_is_activity_although_nothing_is_saved(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    app.login(hospital.create_user(unit="Stroke unit", profile="high_security"))
    for _ in range(5):
        hospital.let_pass(4 * MINUTE, context)
        with app.page.expect_response("**/api/auth/sessions/?page_size=1"):
            app.page.keyboard.press("a")
    assert app.state["status"] == "active"
    assert app.call() == 200


def test_the_screen_of_an_app_that_asks_for_it_locks_though_the_server_has_no_idle_limit(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context, lock=300)
    account = hospital.create_user()
    app.login(account)
    hospital.let_pass(301, context)
    hospital.let_pass(5, context)
    assert (app.state["status"], app.state["reason"]) == ("locked", "idle")
    app.reload()
    assert app.restore()["status"] == "locked"
    assert app.call()["reason"] == "locked"
    app.reauthenticate(account)
    assert app.call() == 200


def test_the_end_of_the_shift_is_told_ahead_and_then_comes(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/refresh/")
    context = new_context(clock=True)
    app = open_app(context)
    nurse = hospital.create_user("nurse")
    with hospital.acting() as auth:
        hours = timedelta(hours=1)
        give_shift(auth.app, nurse.id, -2 * hours, 2 * hours, unit="Ward 7")
    app.login(nurse)
    hospital.let_pass(2 * HOUR + 14 * MINUTE, context)
    hospital.let_pass(2 * MINUTE, context)
    (warning,) = app.events("warning")
    assert warning["kind"] == "shift"
    assert 13 * MINUTE < warning["secondsLeft"] <= 15 * MINUTE
    with app.page.expect_response("**/refresh/"):
        hospital.let_pass(16 * MINUTE, context)
    app.wait_for("app.session.state.status === 'signed-out'")
    assert app.events("ended") == [{"reason": "shift_ended"}]


def test_the_password_in_place_before_the_absolute_end_goes_on_with_a_new_session(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    account = hospital.create_user()
    app.login(account)
    hospital.let_pass(12 * HOUR - 4 * MINUTE, context)
    hospital.let_pass(5, context)
    assert [warning["kind"] for warning in app.events("warning")] == ["absolute"]
    with app.page.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        app.reauthenticate(account)
    assert ended.value.status == 200
    hospital.let_pass(10 * MINUTE, context)
    assert app.call() == 200
    own = app.do("async () => (await app.session.fetch('/api/auth/sessions/')).json()")
    reasons = [(item["current"], item["end_reason"]) for item in own["items"]]
    assert sorted(reasons, key=str) == [(False, "logged_out"), (True, None)]


def test_the_absolute_end_leaves_the_page_locked_for_the_same_person_to_go_on(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/refresh/")
    context = new_context(clock=True)
    app = open_app(context)
    account = hospital.create_user()
    app.login(account)
    hospital.let_pass(12 * HOUR + 5, context)
    app.wait_for("app.session.state.status === 'locked'")
    assert app.events("ended") == [{"reason": "session_expired"}]
    assert app.reauthenticate(account)["status"] == "active"
    assert app.call() == 200


def test_a_page_whose_token_somebody_else_has_used_learns_it(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401")
    context = new_context(clock=True)
    app = open_app(context, transport="body")
    app.login(hospital.create_user())
    copied = app.page.evaluate("localStorage.getItem('refresh')")
    hospital.let_pass(20 * MINUTE, context)
    assert app.call() == 200
    hospital.server.travel(MINUTE)
    with hospital.server.client() as elsewhere:
        refused = elsewhere.post("/api/auth/refresh/", json={"refresh": copied})
    assert refused.json()["reason"] == "reused"
    assert app.call()["reason"] == "reused"
    assert app.state["status"] == "signed-out"
    assert app.page.evaluate("localStorage.getItem('refresh')") is None


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("sessions", "revoke", "--reason", "Badge lost", "--yes", "--user"), "revoked"),
        (("users", "disable", "--yes"), "user_disabled"),
    ],
)
def test_who_is_sent_away_learns_why_on_the_next_call(
    hospital: Hospital,
    new_context: NewContext,
    complaints: Complaints,
    command: tuple[str, ...],
    reason: str,
) -> None:
    complaints.expect("401")
    app = open_app(new_context())
    account = hospital.create_user()
    app.login(account)
    assert app.call() == 200
    hospital.run(*command, account.email)
    assert app.call()["reason"] == reason
    assert app.state["status"] == "signed-out"
    assert app.state["user"] is None
    assert app.events("ended") == [{"reason": reason}]


def test_an_empty_redis_changes_nothing_for_an_open_page(
    hospital: Hospital, new_context: NewContext, valkey: ValkeyServer
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    app.login(hospital.create_user())
    with valkey.client() as client:
        client.flushall()
    assert app.call(times=5) == [200] * 5
    hospital.let_pass(20 * MINUTE, context)
    assert app.call(times=5) == [200] * 5
    assert app.events("ended") == []


def test_a_changed_password_leaves_the_own_session_as_it_was(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    app = open_app(context)
    account = hospital.create_user()
    app.login(account)
    new = "seven quiet herons at the weir"
    passwords = [account.password, new]
    change = "([now, next]) => app.session.changePassword(now, next)"
    assert app.do(change, passwords) is None
    for _ in range(2):
        hospital.let_pass(20 * MINUTE, context)
        assert app.call() == 200


def test_the_token_is_sent_to_its_own_api_only(hospital: Hospital, new_context: NewContext) -> None:
    app = open_app(new_context())
    app.login(hospital.create_user())
    assert app.call("https://elsewhere.example/api/")["error"] == "TypeError"


def test_the_clock_is_the_servers(hospital: Hospital, new_context: NewContext) -> None:
    app = open_app(new_context())
    hospital.server.travel(HOUR)
    app.login(hospital.create_user())
    told = app.page.evaluate("app.session.now()") / 1000
    assert abs(told - hospital.now().timestamp()) < timedelta(seconds=20).total_seconds()
