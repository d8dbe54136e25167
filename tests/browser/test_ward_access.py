"""Everybody can use the workstation: axe-core looks at every page and dialogue of it."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital
from tests.browser.ward_page import NAMES, Unit, WardPage, faults_of_access

MEASURED = (
    ("8867-4", "/min", [70, 96, 140]),
    ("8480-6", "mm[Hg]", [120, 95]),
    ("8462-4", "mm[Hg]", [80, 60]),
    ("59408-5", "%", [97, 93]),
)
SBAR = ("Situation", "Background", "Assessment", "Recommendation")


def test_axe_finds_nothing_serious_on_any_page_or_dialogue(
    hospital: Hospital, new_context: NewContext, complaints: Complaints, node_modules: Path
) -> None:
    complaints.expect("401.*/login/", "503")
    unit, other = Unit(hospital), Unit(hospital)
    nurse, colleague = unit.nurse("Mirela Santos"), unit.nurse("Jonas Adeyemi")
    for code, kind, values in MEASURED:
        unit.measured(nurse, 0, code, kind, values)
    context = new_context()
    context.add_init_script(path=node_modules / "axe-core" / "axe.min.js")
    ward = WardPage(context)
    page = ward.page
    found: dict[str, list[str]] = {}

    def look(place: str) -> None:
        page.mouse.move(0, 0)
        found[place] = faults_of_access(page)

    look("login")
    ward.fill("E-mail", nurse.email)
    ward.fill("Password", "not this one")
    ward.press("Log in")
    expect(page.get_by_role("alert")).to_be_visible()
    look("login, refused")
    ward.log_in(nurse)
    expect(page.locator(".patient-link")).to_have_count(3)
    look("board")
    page.locator(".menu-button").click()
    look("menu")
    page.keyboard.press("Escape")
    page.get_by_label("Search these patients").fill("nobody")
    look("board, nobody found")
    page.get_by_label("Search these patients").fill("")

    ward.open_chart(NAMES[0])
    look("chart")
    ward.press("Show as table")
    look("chart, table")
    ward.press("Record vital signs")
    ward.press("Save")
    look("vital signs, refused")
    ward.press("Discard")
    ward.press("Write note")
    ward.fill("Note", "Slept well")
    look("note")
    ward.press("Sign and save")
    expect(page.locator(".note")).to_be_visible()
    look("chart with a note and a toast")
    page.locator(".note").get_by_role("button").click()
    look("amendment")
    ward.press("Discard")
    ward.press("Hand over")
    look("handoff")
    for part in SBAR:
        ward.fill(part, "Stable")
    ward.dialog.get_by_role("button", name="Hand over").click()
    expect(page.locator(".handoff")).to_be_visible()
    look("chart, handed over")
    ward.press("Take back")
    look("question")
    ward.press("Cancel")

    ward.choose("My sessions")
    expect(ward.dialog.locator(".sessions").first).to_be_visible()
    look("sessions")
    page.keyboard.press("Escape")
    ward.choose("Enter password again")
    look("password")
    page.keyboard.press("Escape")
    ward.choose("Find a record by MRN")
    look("find")
    ward.fill("MRN", other.mrns[0])
    ward.press("Find")
    expect(ward.dialog).to_contain_text("An alert is raised now")
    look("break-glass")
    ward.dialog.get_by_label("Reason").select_option("covering")
    ward.fill("In your own words", "In for a colleague")
    ward.fill("Your password", nurse.password)
    ward.press("Open the record")
    expect(page.get_by_role("status").filter(has_text="Emergency access")).to_be_visible()
    look("chart, emergency")
    page.route("**/chart/**", lambda route: route.fulfill(status=503))
    page.evaluate("() => document.querySelector('#span-48').click()")
    expect(page.locator("#trouble")).to_be_visible()
    look("chart, service busy")
    ward.press("Lock")
    look("lock")
    ward.press("Log out and switch user")
    ward.log_in(colleague)
    expect(page.locator(".badge-info")).to_have_text("To accept")
    look("board, something to accept")
    assert {place: faults for place, faults in found.items() if faults} == {}
    assert len(found) == 22
