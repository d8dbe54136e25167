"""What a session's life does to the page: lock, warnings, ends, and the next user."""

import re

from playwright.sync_api import Response, Route, expect

from carelink_api.clinical.record_models import Note
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital
from tests.browser.ward_page import NAMES, Unit, WardPage

MINUTE = 60


def begin_note(ward: WardPage, text: str) -> None:
    ward.open_chart(NAMES[0])
    ward.press("Write note")
    ward.fill("Note", text)


def work_for(minutes: int, hospital: Hospital, ward: WardPage) -> None:
    """Let time pass while somebody touches the keys now and then."""
    for _ in range(minutes // 6):
        ward.page.keyboard.press("Shift")
        let_pass_until_it_has_looked(6 * MINUTE, hospital, ward)


def let_pass_until_it_has_looked(seconds: float, hospital: Hospital, ward: WardPage) -> None:
    """Let time pass; an answer on its way while time jumps would tell the page a wrong time."""
    with ward.page.expect_response("**/api/shifts/**") as answer:
        hospital.let_pass(seconds, ward.page.context)
    answer.value.finished()
    ward.page.evaluate("() => null")


def unlock(ward: WardPage, password: str) -> None:
    ward.fill("Password", password)
    ward.press("Unlock")


def test_the_lock_hides_everything_keeps_unsaved_work_and_opens_by_the_password(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/api/")
    unit = Unit(hospital, "high_security")
    nurse, context = unit.nurse(), new_context(clock=True)
    ward = WardPage(context)
    ward.log_in(nurse)
    begin_note(ward, "Slept well until four")
    let_pass_until_it_has_looked(14 * MINUTE + 30, hospital, ward)
    expect(ward.page.locator("#warning")).to_contain_text("The screen locks in")
    hospital.let_pass(5 * MINUTE, context)  # and the session ends by itself meanwhile
    expect(ward.page.get_by_role("heading", level=1)).to_have_text("Locked")
    ward.assert_holds_nothing_of(*NAMES, *unit.mrns, "Slept well")
    expect(ward.page.get_by_text("Your unsaved work is kept")).to_be_visible()

    unlock(ward, "not this one")
    expect(ward.page.get_by_role("alert")).to_contain_text("wrong")
    unlock(ward, nurse.password)
    assert ward.value("Note") == "Slept well until four"
    ward.press("Sign and save")
    expect(ward.page.locator(".note")).to_contain_text("Slept well until four")
    assert len(unit.rows(Note)) == 1


def test_unsaved_work_is_kept_also_where_the_answer_that_ended_the_session_was_lost(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/api/", "ERR_FAILED.*/refresh/")
    unit = Unit(hospital, "high_security")
    nurse, context = unit.nurse(), new_context(clock=True)
    ward = WardPage(context)
    ward.log_in(nurse)
    begin_note(ward, "Slept well until four")

    lost: list[Route] = []
    answered: list[Response] = []

    def lose(route: Route) -> None:
        lost.append(route)
        context.clear_cookies()  # as the answer has done
        route.abort()

    context.route("**/api/auth/refresh/", lose, times=1)
    ward.page.on("response", lambda it: answered.append(it) if "/refresh/" in it.url else None)
    hospital.let_pass(20 * MINUTE, context)
    expect(ward.page.get_by_role("heading", level=1)).to_have_text("Locked")
    while lost and not answered:  # it asks again, unless it was locked before it asked at all
        ward.page.wait_for_event("response")
    unlock(ward, nurse.password)
    assert ward.value("Note") == "Slept well until four"


def test_who_works_on_after_the_shift_enters_the_password_and_loses_nothing(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/api/")  # asked in the background while the next session began
    unit = Unit(hospital)
    nurse, context = unit.nurse(ends=1), new_context(clock=True)
    ward = WardPage(context)
    ward.log_in(nurse)
    begin_note(ward, "Begun in the first shift")
    ward.press("Keep draft")
    work_for(66, hospital, ward)
    expect(ward.page.locator(".clock-shift")).to_contain_text("Handoff until")
    work_for(12, hospital, ward)
    expect(ward.page.locator("#warning")).to_contain_text("Your shift's session ends in")
    unit.shift(nurse, starts=-0.25, ends=6)  # she stays on
    ward.press("Enter password")
    ward.fill("Password", nurse.password)
    ward.press("Go on")
    expect(ward.page.locator("#warning")).to_have_count(0)
    expect(ward.page.locator(".clock-shift")).to_contain_text("Shift ends")
    work_for(18, hospital, ward)
    ward.page.locator("#act-write").click()
    assert ward.value("Note") == "Begun in the first shift"
    ward.press("Sign and save")
    expect(ward.page.locator(".note")).to_contain_text("Begun in the first shift")


def test_the_end_of_the_shift_shows_the_login_and_leaves_nothing(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/api/", "403.*/login/")
    unit = Unit(hospital)
    nurse, context = unit.nurse(ends=0.1), new_context(clock=True)
    ward = WardPage(context)
    ward.log_in(nurse)
    begin_note(ward, "Never finished")
    work_for(30, hospital, ward)
    ward.page.keyboard.press("Shift")
    hospital.let_pass(7 * MINUTE, context)
    expect(ward.page.get_by_text("Your shift and its handoff time are over")).to_be_visible()
    ward.assert_holds_nothing_of(*NAMES, *unit.mrns, "Never finished")
    ward.fill("E-mail", nurse.email)
    ward.fill("Password", nurse.password)
    ward.press("Log in")
    expect(ward.page.get_by_role("alert")).to_contain_text("You are not on shift now")


def test_the_next_user_sees_nothing_of_the_first(
    hospital: Hospital, new_context: NewContext
) -> None:
    unit, other = Unit(hospital), Unit(hospital)
    first, second = unit.nurse("Mirela Santos"), other.nurse("Jonas Adeyemi")
    ward = WardPage(new_context())
    page = ward.page
    ward.log_in(first)
    begin_note(ward, "Of the first user")
    ward.press("Keep draft")
    traces = (*unit.mrns, unit.name, first.email, "Mirela", "Of the first user", "eyJ")
    ward.choose("Log out")
    ward.dialog.get_by_role("button", name="Log out").click()  # the draft is dropped
    expect(page.get_by_label("E-mail")).to_be_visible()
    ward.assert_holds_nothing_of(*traces, *NAMES)
    page.go_back()
    expect(page.get_by_label("E-mail")).to_be_visible()
    ward.assert_holds_nothing_of(*traces, *NAMES)

    ward.log_in(second)
    expect(page.locator(".patient-link")).to_have_count(3)
    ward.assert_holds_nothing_of(*traces)
    page.go_forward()  # to where the first user had a chart
    expect(page.locator(".patient-link")).to_have_count(3)
    ward.open_chart(NAMES[0])
    ward.press("Write note")
    assert ward.value("Note") == ""
    ward.press("Discard")
    ward.assert_holds_nothing_of(*traces)


SEEN = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_the_board_is_asked_for_every_five_minutes_and_when_it_is_seen_again(
    hospital: Hospital, new_context: NewContext
) -> None:
    context = new_context(clock=True)
    ward = WardPage(context)
    ward.log_in(Unit(hospital).nurse())
    asked: list[str] = []
    ward.page.on("request", lambda request: asked.append(request.url.split("/api/")[-1]))
    board = "board/?page_size=200"
    for _ in range(3):  # each look at the shift clock is a chance to ask for the board, too
        let_pass_until_it_has_looked(MINUTE + 1, hospital, ward)
    assert board not in asked
    with ward.page.expect_response("**/api/board/**") as answer:
        hospital.let_pass(2 * MINUTE, context)
    assert answer.value.request.headers["x-carelink-background"] == "1"

    ward.page.evaluate(SEEN, "hidden")
    asked.clear()
    hospital.let_pass(2 * MINUTE, context)
    assert asked == []
    with ward.page.expect_response("**/api/board/**"):
        ward.page.evaluate(SEEN, "visible")


def test_another_takes_over_a_locked_screen_and_the_first_is_logged_out(
    hospital: Hospital, new_context: NewContext
) -> None:
    unit, other = Unit(hospital), Unit(hospital)
    first, second = unit.nurse("Mirela Santos"), other.nurse("Jonas Adeyemi")
    ward = WardPage(new_context())
    ward.log_in(first)
    begin_note(ward, "Of the first user")
    ward.page.keyboard.press("Escape")
    ward.press("Lock")
    ward.page.reload()  # locked is locked
    expect(ward.page.get_by_role("heading", level=1)).to_have_text("Locked")
    ward.press("Log out and switch user")
    ward.log_in(second)
    ward.assert_holds_nothing_of(*unit.mrns, unit.name, "Mirela", "Of the first user")
    with hospital.acting() as auth:
        sessions = auth.get("/api/auth/sessions/", auth.tokens(first.email)["access"]).get_json()
    assert "logged_out" in [each["end_reason"] for each in sessions["items"]]


def test_a_revoked_session_is_put_out_with_its_next_request_and_told_why(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/api/")
    unit = Unit(hospital)
    nurse = unit.nurse()
    ward = WardPage(new_context())
    ward.log_in(nurse)
    hospital.run("sessions", "revoke", "--user", nurse.email, "--reason", "Lost badge", "--yes")
    # Unless the page has asked by itself meanwhile, and shows nobody any more.
    ward.page.evaluate("document.querySelector('.patient-link')?.click()")
    expect(ward.page.get_by_text(re.compile("ended by the hospital"))).to_be_visible()
    ward.assert_holds_nothing_of(*NAMES, *unit.mrns)


def test_logging_out_everywhere_ends_the_other_workstation_too(
    hospital: Hospital, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401.*/api/")
    unit = Unit(hospital)
    nurse = unit.nurse()
    here, there = WardPage(new_context()), WardPage(new_context())
    here.log_in(nurse)
    there.log_in(nurse)
    here.choose("Log out everywhere")
    here.dialog.get_by_role("button", name="Log out everywhere").click()
    expect(here.page.get_by_label("E-mail")).to_be_visible()
    there.press("Refresh")
    expect(there.page.get_by_text(re.compile("ended by the hospital or"))).to_be_visible()


def test_who_does_not_come_back_to_a_locked_screen_is_logged_out(
    hospital: Hospital, new_context: NewContext
) -> None:
    unit = Unit(hospital)
    context = new_context(clock=True)
    ward = WardPage(context)
    ward.log_in(unit.nurse(ends=8))
    begin_note(ward, "Left behind")
    hospital.let_pass(11 * MINUTE, context)
    expect(ward.page.get_by_role("heading", level=1)).to_have_text("Locked")
    hospital.let_pass(61 * MINUTE, context)
    expect(ward.page.get_by_label("E-mail")).to_be_visible()
    ward.assert_holds_nothing_of(*NAMES, *unit.mrns, "Left behind")


def test_an_answer_that_arrives_behind_the_lock_screen_shows_nothing_before_it_opens(
    hospital: Hospital, new_context: NewContext
) -> None:
    unit, other = Unit(hospital), Unit(hospital)
    nurse, context = unit.nurse(), new_context()
    ward, beside = WardPage(context), WardPage(context)
    ward.log_in(nurse)
    begin_note(ward, "Slept well until four")
    lock_while_it_is_answered(ward, beside, "Sign and save", "**/notes/")
    ward.assert_holds_nothing_of(*NAMES, *unit.mrns, "Slept well")
    unlock(ward, nurse.password)
    expect(ward.page.locator(".toasts")).to_have_text(f"Signed for {NAMES[0]}.")

    ward.choose("Find a record by MRN")
    ward.fill("MRN", other.mrns[0])
    lock_while_it_is_answered(ward, beside, "Find", "**/patients/find/")
    expect(ward.dialog).to_have_count(0)
    unlock(ward, nurse.password)
    expect(ward.page.get_by_role("heading", name="Break the glass")).to_be_visible()


def lock_while_it_is_answered(ward: WardPage, beside: WardPage, button: str, path: str) -> None:
    """Press the button in one tab, then Lock in another, and let the answer come after that."""
    held: list[Route] = []
    ward.page.route(path, lambda route: held.append(route))
    with ward.page.expect_request(path):
        ward.press(button)
    beside.press("Lock")
    expect(ward.page.get_by_role("heading", level=1)).to_have_text("Locked")
    with ward.page.expect_response(path) as answer:
        held[0].continue_()
    answer.value.finished()
    ward.page.wait_for_function("() => new Promise((done) => setTimeout(done, 50, true))")
    ward.page.unroute(path)
