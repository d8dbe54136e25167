"""The ward workstation as somebody uses it, and a unit of its own for each test."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.models import Patient
from carelink_api.database import writing
from carelink_api.extensions import db
from tests.auth_helper import Account
from tests.browser.harness import Hospital
from tests.clinical.ward import HOUR, Ward

_units, _mrns = count(1), count(1001)
NAMES = ("Ada Byron", "Mei-Lin Zhao", "Tomas Lindqvist")
BEDS = ("10A", "2A", "2B")
REASONS = {"Reason": "covering"}


class Unit:
    """A unit with three patients, whom nobody else's test knows."""

    def __init__(self, hospital: Hospital, profile: str | None = None) -> None:
        self.hospital = hospital
        self.name = f"Station {next(_units):03}"
        self._profile = profile
        with hospital.acting():
            ward = Ward(hospital.app)
            self.id = ward.unit(self.name, profile)
            self.mrns = [f"W-{next(_mrns)}" for _ in NAMES]
            places = zip(NAMES, BEDS, self.mrns, strict=True)
            born = date(1950, 4, 1)
            self.patient_ids = [
                ward.patient(name, unit_id=self.id, bed=bed, mrn=mrn, birth_date=born)
                for name, bed, mrn in places
            ]

    def nurse(self, name: str = "Mirela Santos", **shift: Any) -> Account:
        """Return a nurse on shift here, for four hours more."""
        nurse = self.hospital.create_user("nurse", name=name, unit=self.name)
        self.shift(nurse, **shift)
        return nurse

    def shift(self, nurse: Account, starts: float = -4, ends: float = 4, **columns: Any) -> int:
        """Put a nurse on shift, in hours from now; return the shift's id."""
        with self.hospital.acting():
            now = clock.now().replace(microsecond=0)
            times = {"starts_at": now + starts * HOUR, "ends_at": now + ends * HOUR}
            return Ward(self.hospital.app).on_shift(nurse, self.id, **(times | columns))

    def doctor(self, *places: int, name: str = "Ines Okafor") -> Account:
        """Return a doctor in the care team of some of the patients."""
        doctor = self.hospital.create_user("doctor", name=name)
        with self.hospital.acting():
            for place in places:
                Ward(self.hospital.app).care(doctor, self.patient_ids[place])
        return doctor

    def measured(
        self, by: Account, place: int, code: str, unit: str, values: Sequence[int]
    ) -> None:
        """Record values of the last hours, the latest half an hour ago."""
        with self.hospital.acting():
            ward, now = Ward(self.hospital.app), clock.now()
            for hours, value in enumerate(reversed(values)):
                at = now - timedelta(hours=hours, minutes=30)
                told = {"code": code, "unit": unit, "value": value, "effective_at": at}
                ward.observation(self.patient_ids[place], by, **told)

    def visit(self, doctor: Account, place: int) -> int:
        """Book one of an hour ago."""
        with self.hospital.acting():
            ward = Ward(self.hospital.app)
            return ward.appointment(doctor, self.patient_ids[place], clock.now() - HOUR)

    def account_of(self, place: int) -> Account:
        """Make an account for one of the patients."""
        account = self.hospital.create_user("patient", name=NAMES[place])
        with self.hospital.app.app_context(), writing(db.session()) as sql:
            sql.get_one(Patient, self.patient_ids[place]).user_id = account.id
        return account

    def rows(self, kind: Any, *which: ColumnElement[bool]) -> Sequence[Any]:
        """Return what has been written about the unit's patients."""
        with self.hospital.app.app_context(), Sql(db.engine, expire_on_commit=False) as sql:
            theirs = kind.patient_id.in_(self.patient_ids)
            return sql.scalars(select(kind).where(theirs, *which).order_by(kind.id)).all()


class WardPage:
    """One tab at `/`."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.goto("/")

    def log_in(self, account: Account) -> None:
        self.fill("E-mail", account.email)
        self.fill("Password", account.password)
        self.press("Log in")
        expect(self.page.locator("#patients")).to_be_visible()

    def log_out(self) -> None:
        self.choose("Log out")
        expect(self.page.get_by_label("E-mail")).to_be_visible()

    def choose(self, entry: str) -> None:
        """Choose an entry of the menu."""
        self.page.locator(".menu-button").click()
        self.page.locator(".menu-list").get_by_role("button", name=entry, exact=True).click()

    def open_chart(self, name: str) -> None:
        self.press(name)
        expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def fill(self, label: str, text: str) -> None:
        self.page.locator("input, textarea").and_(self.page.get_by_label(label, exact=True)).fill(
            text
        )

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")

    def text(self) -> str:
        """Return everything that the document holds, seen or not."""
        found: str = self.page.evaluate("() => document.documentElement.outerHTML")
        return found

    def kept(self) -> str:
        """Return everything that the browser keeps for this origin where a script can read it."""
        script = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])"
        found: str = self.page.evaluate(script)
        return found

    def value(self, label: str) -> str:
        """Return what stands in a field."""
        field = self.page.locator("input, textarea").and_(self.page.get_by_label(label, exact=True))
        return field.input_value()

    def assert_holds_nothing_of(self, *words: str) -> None:
        """Assert that neither the document nor the browser's stores hold any of the words."""
        held = self.text() + self.kept()
        found = [word for word in words if re.search(re.escape(word), held)]
        assert found == []


AXE = """async (options) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...options });
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}"""


def faults_of_access(page: Page) -> list[str]:
    """Return what axe-core finds serious on the page as it stands, in light and in dark."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    light = page.evaluate(AXE, {})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    dark = page.evaluate(AXE, {"runOnly": ["color-contrast"]})  # the rest looks at no colours
    return [f"{scheme}: {fault}" for scheme, faults in (("light", light), ("dark", dark))
            for fault in faults]  # fmt: skip
