"""A day at the ward workstation, in a real browser on a real server."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Route, expect

from carelink_api.clinical.break_glass.models import BreakGlassGrant
from carelink_api.clinical.record_models import Handoff, Note, Observation
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital
from tests.browser.ward_page import BEDS, NAMES, Unit, WardPage

SBAR = {
    "Situation": "Second day, stable",
    "Background": "Lives alone",
    "Assessment": "Pain well controlled",
    "Recommendation": "Walk twice more",
}


@pytest.fixture
def unit(hospital: Hospital) -> Unit:
    return Unit(hospital)


def test_a_nurse_works_a_whole_day_at_the_page(unit: Unit, new_context: NewContext) -> None:
    nurse = unit.nurse()
    unit.measured(nurse, 0, "8867-4", "/min", [72, 96, 124])
    unit.measured(nurse, 0, "59408-5", "%", [97])
    ward = WardPage(new_context())
    ward.log_in(nurse)
    page = ward.page

    # The board: by bed, with what is unusual marked, and the clock of the shift.
    expect(page.locator(".patient-link")).to_have_text([NAMES[1], NAMES[2], NAMES[0]])
    expect(page.locator(".sign-2")).to_have_text(["▲124 high", "▲", "▼", "2"])
    expect(page.locator(".clock-shift")).to_contain_text("left")
    page.get_by_label("Search these patients").fill("10a")
    expect(page.locator(".patient-link")).to_have_text([NAMES[0]])

    # A chart: the trend is a plot; a round is checked before it is sent, and shown at once.
    ward.open_chart(NAMES[0])
    trend = page.get_by_role("img", name="Heart rate. latest 124 /min, from 72 to 124.")
    expect(trend.locator("circle")).to_have_count(3)
    ward.press("Record vital signs")
    ward.fill("Heart rate", "999")
    ward.press("Save")
    expect(ward.dialog).to_contain_text("From 10 to 350 /min.")
    ward.fill("Heart rate", "88")
    ward.fill("Body temperature", "37,4")
    ward.press("Save")
    expect(page.get_by_role("img", name=re.compile("^Heart rate. latest 88"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Body temperature"))).to_be_visible()
    assert [each.value for each in unit.rows(Observation)][-2:] == [88, 37.4]

    # A note, signed and amended.
    ward.press("Write note")
    ward.fill("Note", "Slept well.\nAte little.")
    ward.press("Sign and save")
    expect(page.locator(".note")).to_contain_text("Slept well.")
    page.get_by_role("button", name=re.compile("^Amend the note")).click()
    ward.fill("Note", "Slept well, ate well.")
    ward.fill("Why", "Asked the relatives")
    ward.press("Sign and save")
    expect(page.locator(".note")).to_contain_text("Version 2: Asked the relatives")
    assert [note.version for note in unit.rows(Note)] == [2]

    # Home, where the line says how old is what was not measured again.
    page.locator("#back").click()
    older = page.locator(".measured", has_text=re.compile(r"oldest [34]\d min ago"))
    expect(older).to_have_count(1)

    # Out: the session is in the list with its reason the next time.
    ward.log_out()
    expect(page.get_by_role("status")).to_contain_text("You have logged out")
    ward.log_in(nurse)
    ward.choose("My sessions")
    expect(ward.dialog).to_contain_text("This workstation")
    expect(ward.dialog.locator(".sessions").last).to_contain_text("Logged out")


def test_a_handoff_goes_from_one_browser_to_another(
    unit: Unit, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("409.*/withdraw/")
    giver, taker = unit.nurse("Mirela Santos"), unit.nurse("Jonas Adeyemi")
    first, second = WardPage(new_context()), WardPage(new_context())
    first.log_in(giver)
    second.log_in(taker)
    first.open_chart(NAMES[0])
    first.press("Hand over")
    first.dialog.get_by_role("button", name="Hand over").click()
    expect(first.dialog.locator(".fault", has_text="Write something.")).to_have_count(4)
    for part, text in SBAR.items():
        first.fill(part, text)
    first.dialog.get_by_role("button", name="Hand over").click()
    expect(first.page.locator(".handoff")).to_contain_text("not accepted yet")

    second.press("Refresh")
    second.page.get_by_role("button", name=re.compile("^To accept")).click()
    second.open_chart(NAMES[0])
    expect(second.page.locator(".handoff")).to_contain_text("Pain well controlled")
    second.press("Accept")
    expect(second.page.locator(".chart-facts")).to_contain_text("NurseYou")
    assert [each.status for each in unit.rows(Handoff)] == ["accepted"]

    first.press("Take back")  # of what has been accepted meanwhile
    first.dialog.get_by_role("button", name="Take back").click()
    expect(first.page.locator(".chart-facts")).to_contain_text("NurseJonas Adeyemi")


def test_an_emergency_opens_one_record_until_it_is_given_back(
    unit: Unit, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("404.*/find/", "401.*/break-glass/")
    doctor = unit.doctor(0)
    ward = WardPage(new_context())
    ward.log_in(doctor)
    page = ward.page
    expect(page.locator(".patient-link")).to_have_text([NAMES[0]])
    page.get_by_label("Search these patients").fill("W-0000")
    ward.press("Find by MRN")
    ward.press("Find")
    expect(ward.dialog).to_contain_text("No record with this MRN")
    ward.fill("MRN", unit.mrns[1].lower())
    ward.press("Find")
    expect(ward.dialog).to_contain_text("An alert is raised now")
    ward.press("Open the record")
    expect(ward.dialog.locator(".fault:not(:empty)")).to_have_count(3)
    ward.dialog.get_by_label("Reason").select_option("covering")
    ward.fill("In your own words", "In for a colleague who is ill")
    ward.fill("Your password", "not this one")
    ward.press("Open the record")
    expect(ward.dialog).to_contain_text("That is not your password.")
    ward.fill("Your password", doctor.password)
    ward.press("Open the record")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[1])
    expect(page.get_by_role("status").filter(has_text="Emergency access")).to_be_visible()
    assert [grant.reason_code for grant in unit.rows(BreakGlassGrant)] == ["covering"]

    ward.press("Give back now")
    ward.press("Give back")
    expect(page.locator(".patient-link")).to_have_text([NAMES[0]])
    assert all(grant.ended_at for grant in unit.rows(BreakGlassGrant))


def test_a_busy_service_is_waited_for_and_nothing_typed_is_lost(
    unit: Unit, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("503")
    ward = WardPage(new_context())
    ward.log_in(unit.nurse())
    page, left = ward.page, {"chart": 2, "notes": 3}

    def busy(route: Route) -> None:
        what = route.request.url.split("?")[0].split("/")[-2]
        if not left.get(what):
            return route.continue_()
        left[what] -= 1
        problem = '{"code": "unavailable", "status": 503, "detail": "Try again shortly."}'
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        return route.fulfill(status=503, headers=headers, body=problem)

    page.route("**/api/patients/**", busy)
    ward.press(NAMES[0])
    expect(page.locator("#trouble")).to_contain_text("Trying again")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[0])
    expect(page.locator("#trouble")).to_have_count(0)
    ward.press("Write note")
    ward.fill("Note", "Slept well")
    ward.press("Sign and save")
    expect(ward.dialog.get_by_role("alert")).to_contain_text("Press again in a few seconds")
    assert ward.value("Note") == "Slept well"
    ward.press("Sign and save")
    expect(page.locator(".note")).to_contain_text("Slept well")
    assert len(unit.rows(Note)) == 1


def test_a_note_whose_answer_was_lost_is_saved_once(
    unit: Unit, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("ERR_FAILED", "422.*/notes/")
    ward = WardPage(new_context())
    ward.log_in(unit.nurse())
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)  # it arrives, and its answer does not
        route.abort()

    ward.open_chart(NAMES[0])
    ward.page.route("**/notes/", lose, times=1)
    ward.press("Write note")
    ward.fill("Note", "Slept well")
    ward.press("Sign and save")
    expect(ward.page.locator(".note")).to_contain_text("Slept well")
    assert (lost, len(unit.rows(Note))) == ([201], 1)

    # All answers are lost, and the author changes the text: it is not what has been saved.
    ward.page.route("**/notes/", lose, times=3)
    ward.press("Write note")
    ward.fill("Note", "Ate well")
    ward.press("Sign and save")
    expect(ward.dialog.get_by_role("alert")).to_contain_text("Press again in a few seconds")
    ward.press("Keep draft")
    ward.page.locator("#act-write").click()
    ward.fill("Note", "Ate little")
    ward.press("Sign and save")
    expect(ward.dialog.get_by_role("alert")).to_contain_text("has been saved already")
    ward.press("Discard")
    assert (lost, len(unit.rows(Note))) == ([201] * 4, 2)


def test_a_draft_waits_for_its_author(unit: Unit, new_context: NewContext) -> None:
    ward = WardPage(new_context())
    ward.log_in(unit.nurse())
    ward.open_chart(NAMES[0])
    ward.press("Write note")
    ward.fill("Note", "Half a sentence")
    ward.press("Keep draft")
    expect(ward.page.locator("#act-write")).to_contain_text("draft")
    ward.page.locator("#back").click()
    expect(ward.page.locator(".who", has_text="unsaved draft")).to_contain_text(NAMES[0])
    ward.open_chart(NAMES[0])
    ward.page.locator("#act-write").click()
    assert ward.value("Note") == "Half a sentence"
    ward.press("Discard")
    expect(ward.page.locator("#act-write")).not_to_contain_text("draft")
    ward.log_out()


def test_everything_can_be_done_without_a_mouse(unit: Unit, new_context: NewContext) -> None:
    nurse = unit.nurse()
    ward = WardPage(new_context())
    page = ward.page
    page.keyboard.type(nurse.email)
    page.keyboard.press("Tab")
    page.keyboard.type(nurse.password)
    page.keyboard.press("Enter")
    expect(page.locator(".patient-link").first).to_be_visible()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            if page.evaluate("(one) => document.activeElement.matches(one)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no way to {selector}")

    tab_to(".patient-link")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[1])
    tab_to("#act-record")
    page.keyboard.press("Enter")
    page.keyboard.type("18")  # the first field has the focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name=re.compile("^Respiratory rate. latest 18"))).to_be_visible()
    expect(page.locator("#act-record")).to_be_focused()
    tab_to(".plot-figure")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".plot-figure:focus .plot-reading")).to_contain_text("18 /min")
    page.locator(".menu-button").focus()
    page.keyboard.press("Enter")
    for entry in ("Find a record by MRN", "Admit somebody new", "My sessions"):
        page.keyboard.press("Tab")
        expect(page.locator(".menu-entry:focus")).to_have_text(entry)
    page.keyboard.press("Enter")
    expect(ward.dialog).to_contain_text("My sessions")
    page.keyboard.press("Escape")
    expect(ward.dialog).to_have_count(0)


def test_a_nurse_admits_moves_and_discharges_and_marks_what_was_wrong(
    unit: Unit, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("409")
    nurse = unit.nurse()
    unit.measured(nurse, 0, "8867-4", "/min", [72, 240])
    ward = WardPage(new_context())
    ward.log_in(nurse)
    page = ward.page

    # Nobody answers for a patient: whoever takes them does.
    ward.open_chart(NAMES[0])
    ward.press("Take")
    expect(page.locator(".chart-facts")).to_contain_text("NurseYou")
    expect(page.locator("#act-take")).to_have_count(0)

    # A wrong value stays, struck through, and leaves the trend.
    ward.press("Values")
    page.get_by_role("button", name=re.compile("^Mark as wrong: Heart rate 240")).click()
    ward.fill("Why is it wrong?", "Lead had come off")
    page.get_by_role("button", name="Mark as wrong", exact=True).click()
    expect(page.locator(".values s")).to_have_text("Heart rate 240 /min")
    expect(page.locator(".values")).to_contain_text("Lead had come off")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("img", name=re.compile("^Heart rate"))).to_be_visible()
    expect(page.locator(".chart")).not_to_contain_text("240")

    # Somebody new comes, to a bed that is taken at first, moves and leaves.
    ward.choose("Admit somebody new")
    ward.fill("MRN", f"new-{unit.id}")
    ward.fill("Name", "Nora Probe")
    ward.fill("Bed", BEDS[1])
    ward.press("Admit")
    expect(ward.dialog).to_contain_text("Somebody lies in that bed.")
    ward.fill("Bed", "11")
    ward.press("Admit")
    expect(page.get_by_role("heading", level=1, name="Nora Probe")).to_be_visible()
    expect(page.locator(".chart-facts")).to_contain_text("NurseYou")
    page.locator("#act-place").click()
    ward.fill("Bed", "12")
    ward.dialog.get_by_role("button", name="Move").click()
    expect(page.locator(".chart-bed")).to_contain_text("12")
    page.locator("#act-discharge").click()
    ward.dialog.get_by_role("button", name="Discharge").click()
    expect(page.locator(".chart-facts")).to_contain_text("Discharged")
    expect(page.locator("#act-place")).to_have_text("Admit again")


def test_an_appointment_is_booked_cancelled_and_what_was_said_of_it_undone(
    unit: Unit, new_context: NewContext
) -> None:
    doctor = unit.doctor(0)
    unit.visit(doctor, 0)
    ward = WardPage(new_context())
    ward.log_in(doctor)
    visits, page = ward.page.locator(".visits"), ward.page
    ward.open_chart(NAMES[0])
    page.get_by_role("button", name=re.compile("^Did not come")).click()
    expect(visits.locator(".badge")).to_have_text("Did not come")
    page.get_by_role("button", name=re.compile("^Undo")).click()
    page.get_by_label("Why?").select_option("came_late")
    ward.press("Book again")
    expect(visits.locator(".badge")).to_have_text("Booked")
    page.get_by_role("button", name=re.compile("^Took place")).click()
    expect(visits.locator(".badge")).to_have_text("Took place")

    ward.press("Book …")
    tomorrow = (unit.hospital.now() + timedelta(days=1)).strftime("%Y-%m-%dT09:00")
    ward.fill("Starts", tomorrow)
    ward.fill("What for", "Control of the wound")
    ward.press("Book")
    expect(visits).to_contain_text("Control of the wound")
    page.get_by_role("button", name=re.compile("^Cancel: Control of the wound")).click()
    expect(visits.locator(".badge")).to_have_text(["Took place", "Cancelled"])


def test_a_patient_sees_who_has_opened_the_record(unit: Unit, new_context: NewContext) -> None:
    doctor, patient = unit.doctor(0), unit.account_of(0)
    looking = WardPage(new_context())
    looking.log_in(doctor)
    looking.open_chart(NAMES[0])
    ward = WardPage(new_context())
    ward.log_in(patient)
    ward.page.locator(".patient-link").click()
    ward.press("Show")
    line = ward.page.locator(".values li", has_text="Ines Okafor").first
    expect(line).to_contain_text("Opened the chart – in the care team")
    ward.page.get_by_role("button", name="Close").click()
    expect(ward.page.locator("#act-record")).to_have_count(0)
