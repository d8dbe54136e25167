"""Whole working days on a moved clock: silent refresh, the forced login, and idle logoff."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.auth_helper import Account, Auth
from tests.conftest import MakeApp, Travel

MINUTE = 60
BACKGROUND = {"X-CareLink-Background": "1"}
APPOINTMENTS = "/api/appointments/"


def at(rfc3339: str) -> datetime:
    return datetime.fromisoformat(rfc3339)


class Browser:
    """A tab that refreshes silently one minute before its access token expires."""

    def __init__(self, auth: Auth, account: Account) -> None:
        self.auth = auth
        self.pair: dict[str, Any] = auth.tokens(account.email)
        # The server's, in whole seconds: ours would be the time after a slow answer.
        self.started_at = at(self.pair["session"]["started_at"])
        self.refreshes = 0

    @property
    def refresh_at(self) -> datetime:
        """When to refresh next: not before the end where a new token would live no longer.

        The answers tell whole seconds, so the end itself may lie within the second told.
        """
        expires_at = at(self.pair["access_expires_at"])
        ends = "access_capped_by" in self.pair or expires_at == at(self.pair["refresh_expires_at"])
        return expires_at + timedelta(seconds=1 if ends else -MINUTE)

    @property
    def age(self) -> timedelta:
        return datetime.now(UTC) - self.started_at

    def refresh(self) -> str | None:
        """Refresh; return the reason of a refusal."""
        answer = self.auth.refresh(self.pair["refresh"])
        if answer.status_code == 200:
            self.pair = answer.get_json()
            self.refreshes += 1
            return None
        assert answer.status_code == 401, answer.text
        reason: str = answer.get_json()["reason"]
        return reason

    def look(self, **headers: str) -> int:
        """Open the appointments; return the status."""
        return self.auth.get(APPOINTMENTS, self.pair["access"], headers=headers).status_code

    def poll(self) -> int:
        """What a tab does by itself, while nobody sits before it."""
        status = self.auth.me(self.pair["access"]).status_code
        assert status == self.look(**BACKGROUND)
        return status


def write_activity(app: Flask) -> None:
    """What the worker's second thread does by itself."""
    assert app.extensions["carelink"].activity.flush(datetime.now(UTC).timestamp())


def spend(travel: Travel, browser: Browser, live: Callable[[], object], step: float) -> str:
    """Let time pass step by step, living as told, until a refresh is refused; return the reason."""
    while True:
        travel(step)
        if datetime.now(UTC) >= browser.refresh_at and (reason := browser.refresh()):
            return reason
        live()


def test_twelve_hours_take_about_fifty_refreshes_and_end_in_a_login(
    auth: Auth, travel: Travel
) -> None:
    account = auth.create_user(user_type="doctor")
    browser = Browser(auth, account)
    while True:
        travel.to(browser.refresh_at)
        if reason := browser.refresh():
            break
        assert browser.look() == 200
        write_activity(auth.app)
    assert reason == "session_expired"
    assert timedelta(0) <= browser.age - timedelta(hours=12) < timedelta(minutes=1)
    assert 48 <= browser.refreshes <= 52
    assert auth.tokens(account.email)["session"]["id"] != browser.pair["session"]["id"]


@pytest.fixture
def doctor_on_icu(auth: Auth) -> Account:
    return auth.create_user(user_type="doctor", unit="ICU", profile="high_security")


def test_a_tab_that_only_refreshes_and_polls_is_logged_off_as_idle(
    auth: Auth, travel: Travel, doctor_on_icu: Account
) -> None:
    browser = Browser(auth, doctor_on_icu)

    def poll() -> None:
        assert browser.poll() == 200
        write_activity(auth.app)

    assert spend(travel, browser, poll, step=20) == "idle"
    assert timedelta(minutes=15) < browser.age <= timedelta(minutes=16, seconds=25)
    assert browser.refreshes >= 3
    travel(15)  # the leeway of `exp`
    assert browser.poll() == 401
    assert browser.refresh() == "idle"


def test_a_doctor_at_work_is_not_idle_until_the_absolute_end(
    auth: Auth, travel: Travel, doctor_on_icu: Account
) -> None:
    browser = Browser(auth, doctor_on_icu)

    def work() -> None:
        if datetime.now(UTC) < at(browser.pair["access_expires_at"]):
            assert browser.look() == 200
        write_activity(auth.app)

    # The token ends with the session: ten seconds later it can say no more than that.
    assert spend(travel, browser, work, step=2 * MINUTE) in ("session_expired", "expired")
    assert timedelta(0) <= browser.age - timedelta(hours=8) <= timedelta(minutes=2)
    assert browser.refreshes >= 8 * 60 / 5


def test_activity_that_one_worker_notes_counts_for_another(
    auth: Auth, make_app: MakeApp, travel: Travel, doctor_on_icu: Account
) -> None:
    browser = Browser(auth, doctor_on_icu)
    other = Auth(make_app())
    for worker in [other, auth] * 3:
        travel(14 * MINUTE)
        browser.auth = worker
        assert browser.refresh() is None
        assert browser.look() == 200
        write_activity(worker.app)


def test_a_call_declared_as_background_is_no_activity_for_any_worker(
    auth: Auth, make_app: MakeApp, travel: Travel, doctor_on_icu: Account
) -> None:
    browser = Browser(auth, doctor_on_icu)
    other = Auth(make_app())
    travel(10 * MINUTE)
    browser.auth = other
    assert browser.refresh() is None
    assert browser.poll() == 200
    write_activity(other.app)
    travel(7 * MINUTE)
    browser.auth = auth
    assert browser.refresh() == "idle"
