"""Passwords on the pages: one that must be changed, a code for a lost one, one of choice."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.auth_helper import PASSWORD, Account
from tests.browser.client_page import open_app
from tests.browser.conftest import NewContext
from tests.browser.harness import Complaints, Hospital
from tests.browser.ward_page import Unit, faults_of_access

NEW = "seven umbrellas on the quay"
Watched = Callable[[str], Page]


@pytest.fixture
def watched(new_context: NewContext, node_modules: Path) -> Watched:
    """Open a page on which axe can look."""

    def open_it(path: str) -> Page:
        context = new_context()
        context.add_init_script(path=node_modules / "axe-core" / "axe.min.js")
        page = context.new_page()
        page.goto(path)
        return page

    return open_it


def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        page.get_by_label(LABELS[name], exact=True).fill(text)


LABELS = {
    "email": "E-mail",
    "password": "Password",
    "code": "One-time code",
    "present": "Present password",
    "new": "New password",
    "again": "New password once more",
}


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def log_in(page: Page, account: Account, password: str = PASSWORD) -> None:
    fill(page, email=account.email, password=password)
    press(page, "Log in")


def test_a_first_password_is_changed_where_it_was_typed(
    hospital: Hospital, watched: Watched, complaints: Complaints
) -> None:
    complaints.expect("403.*/login/", "422.*/login/")
    unit = Unit(hospital)
    nurse = hospital.create_user("nurse", unit=unit.name, must_change_password=True)
    unit.shift(nurse)
    page = watched("/")
    log_in(page, nurse)
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a password")
    fill(page, new=NEW, again="something else")
    press(page, "Change it and log in")
    expect(page.get_by_text("This is not the same as above.")).to_be_visible()
    assert faults_of_access(page) == []
    fill(page, new=PASSWORD, again=PASSWORD)
    press(page, "Change it and log in")
    expect(page.get_by_text("Is the password that it is to replace.")).to_be_visible()
    page.get_by_label("Show what I type").check()
    expect(page.get_by_label("New password", exact=True)).to_have_attribute("type", "text")
    fill(page, new=NEW, again=NEW)
    press(page, "Change it and log in")
    expect(page.locator("#patients")).to_be_visible()
    assert NEW not in page.content()


def test_a_lost_password_is_replaced_by_a_code(
    hospital: Hospital, watched: Watched, complaints: Complaints
) -> None:
    complaints.expect("401.*/reset/")
    nurse = Unit(hospital).nurse()
    told = hospital.run("users", "code", nurse.email, "--identity", "Badge seen")
    page = watched("/")
    fill(page, email=nurse.email)
    press(page, "I have a one-time code")
    expect(page.get_by_label("E-mail")).to_have_value(nurse.email)
    fill(page, code="0000-0000-0000-0000", new=NEW, again=NEW)
    press(page, "Change it and log in")
    expect(page.get_by_text("This code is not good for this e-mail.")).to_be_visible()
    assert faults_of_access(page) == []
    fill(page, code=told.strip().split()[-1].lower())
    press(page, "Change it and log in")
    expect(page.locator("#patients")).to_be_visible()
    with hospital.acting() as auth:
        assert auth.login(nurse.email).status_code == 401


def test_who_may_not_log_in_now_is_told_that_the_password_is_changed(
    hospital: Hospital, watched: Watched, complaints: Complaints
) -> None:
    complaints.expect("403.*/login/")
    nurse = Unit(hospital).nurse(ends=-2)
    told = hospital.run("users", "code", nurse.email, "--identity", "Badge seen")
    page = watched("/")
    press(page, "I have a one-time code")
    fill(page, email=nurse.email, code=told.strip().split()[-1], new=NEW, again=NEW)
    press(page, "Change it and log in")
    expect(page.get_by_role("status")).to_contain_text(
        "Your password is changed. You are not on shift now"
    )


def test_changing_ones_own_ends_the_other_sessions_and_not_this_one(
    hospital: Hospital, new_context: NewContext, watched: Watched, complaints: Complaints
) -> None:
    complaints.expect("401", "422.*/password/")
    doctor = hospital.create_user("doctor")
    elsewhere = open_app(new_context())
    elsewhere.login(doctor)
    page = watched("/")
    log_in(page, doctor)
    page.locator(".menu-button").click()
    press(page, "Change password")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Last changed")
    fill(page, present="not the password", new=NEW, again=NEW)
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog).to_contain_text("This is not your present password.")
    assert faults_of_access(page) == []
    fill(page, present=PASSWORD, new="violin canal", again="violin canal")
    dialog.get_by_role("button", name="Change password").click()
    expect(dialog).to_contain_text("Has fewer than 15 characters.")
    fill(page, new=NEW, again=NEW)
    dialog.get_by_role("button", name="Change password").click()
    expect(page.locator(".toasts")).to_contain_text("Your password is changed.")
    assert elsewhere.call()["reason"] == "revoked"
    page.reload()
    expect(page.locator("#patients")).to_be_visible()


def test_an_operator_changes_it_in_the_console_and_after_a_lock(
    hospital: Hospital, watched: Watched, complaints: Complaints
) -> None:
    complaints.expect("403.*/login/")
    operator = hospital.create_user("ops")
    page = watched("/ops/")
    log_in(page, operator)
    press(page, "Password")
    fill(page, present=PASSWORD, new=NEW, again=NEW)
    page.get_by_role("dialog").get_by_role("button", name="Change password").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    press(page, "Lock")
    fill(page, password=NEW)
    press(page, "Unlock")
    expect(page.get_by_role("heading", name="Now")).to_be_visible()


def test_an_administrator_makes_an_account_and_the_code_that_opens_it(
    hospital: Hospital, watched: Watched, new_context: NewContext
) -> None:
    administrator = hospital.create_user("admin")
    console = watched("/ops/")
    log_in(console, administrator)
    console.get_by_role("link", name="Accounts").click()
    email = f"made.by.{administrator.id}@ward.example"
    press(console, "New account …")
    press(console, "Create")
    expect(console.get_by_text("Fill this in.")).to_have_count(2)
    fill(console, email=email)
    console.get_by_label("Name", exact=True).fill("Zoya Quist")
    console.get_by_label("User type").last.select_option("doctor")
    console.get_by_label("Why").fill("Begins on Monday")
    press(console, "Create")
    expect(console.get_by_role("dialog")).to_have_count(0)
    console.get_by_label("Name or e-mail").fill(email)
    press(console, "Search")
    expect(console.locator("tbody")).to_contain_text("No password yet")
    assert faults_of_access(console) == []
    press(console, "Code … Zoya Quist")
    console.get_by_label("How do you know who asks?").fill("Badge seen")
    press(console, "Make the code")
    code = console.locator(".ops-code").inner_text()
    assert faults_of_access(console) == []
    page = new_context().new_page()
    page.goto("/")
    press(page, "I have a one-time code")
    fill(page, email=email, code=code, new=NEW, again=NEW)
    press(page, "Change it and log in")
    expect(page.locator("#patients")).to_be_visible()


def test_an_administrator_changes_an_account_and_its_sessions_end_with_its_type(
    hospital: Hospital, watched: Watched, new_context: NewContext, complaints: Complaints
) -> None:
    complaints.expect("401")
    administrator, doctor = hospital.create_user("admin"), hospital.create_user("doctor")
    elsewhere = open_app(new_context())
    elsewhere.login(doctor)
    console = watched("/ops/")
    log_in(console, administrator)
    console.get_by_role("link", name="Accounts").click()
    console.get_by_label("Name or e-mail").fill(doctor.email)
    press(console, "Search")
    row = console.locator("tbody tr")
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Change …").click()
    dialog = console.get_by_role("dialog")
    dialog.get_by_label("Why").fill("Married")
    dialog.get_by_role("button", name="Change").click()
    expect(dialog).to_contain_text("Nothing is different from before.")
    dialog.get_by_label("Name", exact=True).fill("Ida Renamed")
    dialog.get_by_role("button", name="Change").click()
    expect(dialog).to_contain_text("No session ended.")
    assert faults_of_access(console) == []
    dialog.get_by_text("Close", exact=True).click()
    expect(row).to_contain_text("Ida Renamed")
    assert elsewhere.call() == 200
    row.get_by_role("button", name="Change …").click()
    dialog.get_by_label("User type").select_option("researcher")
    dialog.get_by_label("Why").fill("Leaves the ward")
    dialog.get_by_role("button", name="Change").click()
    expect(dialog).to_contain_text("1 session ended.")
    dialog.get_by_text("Close", exact=True).click()
    expect(row).to_contain_text("researcher")
    assert elsewhere.call()["reason"] == "revoked"
