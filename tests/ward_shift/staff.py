"""Who works in the simulated shift: people before clients that refresh silently."""

import re
import time
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

from flask import Flask
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from tests.auth_helper import Account, Auth, bearer
from tests.sessions.helpers import parts
from tests.ward_shift.ledger import Asked, Ledger

AHEAD = timedelta(minutes=1)
SOON = timedelta(minutes=20)
"""When a session ends so soon and the work does not, the client asks for the password in place."""
ABOUT_PATIENTS = re.compile(r"/api/(patients|appointments|handoffs|break-glass)/")
OF_ONE = re.compile(r"/api/patients/(\d+)/")
TRIES = 30


class Thrown(Exception):
    """The session is over; the message is the reason."""


class Workers:
    """The processes that a proxy would share requests among, and the housekeeper."""

    def __init__(self, apps: list[Flask]) -> None:
        self.apps = apps
        self.all = [Auth(app) for app in apps]
        self._next = cycle(self.all)
        with apps[0].app_context():
            self.engine: Engine = db.engine
            self._keeper = Housekeeper(parts(apps[0]))

    def next(self) -> Auth:
        return next(self._next)

    def beat(self) -> None:
        """What each worker's threads do twice a second."""
        for app in self.apps:
            assert parts(app).pulse.beat()
            assert parts(app).activity.flush(clock.wall(), everything=True)

    def keep_house(self) -> None:
        with self.apps[0].app_context():
            self._keeper.round(db.session(), clock.now())

    def refuse(self, pair: dict[str, Any]) -> None:
        """Hold a session that is over against every worker."""
        for worker in self.all:
            assert worker.me(pair["access"]).status_code == 401
            assert worker.refresh(pair["refresh"]).status_code == 401


class Client:
    """Somebody's app: one session after the other, refreshed before or after it expires."""

    def __init__(self, workers: Workers, ledger: Ledger, account: Account, *, ahead: bool) -> None:
        self.workers = workers
        self.ledger = ledger
        self.account = account
        self.pair: dict[str, Any] = {}
        self.works_until: datetime | None = None
        """When the work is over; None: no shift says."""
        self.shift_ends_at: datetime | None = None
        self.may_end: set[str] = set()
        """For which reasons the next refusal is as it should be."""
        self._ahead = ahead

    def log_in(self) -> None:
        answer = self._persist(lambda worker: worker.login(self.account.email))
        if answer.status_code != 200:
            self.ledger.lost.append(f"{self.account.email} cannot log in: {answer.text}")
            raise Thrown("login")
        self.pair = answer.get_json()
        self.ledger.counts["logins"] += 1

    def log_in_again_in_place(self) -> None:
        """Let the next session take over, without a gap, and end this one."""
        before = self.pair
        self.log_in()
        after, self.pair = self.pair, before
        self.log_out()
        self.pair = after
        self.ledger.counts["logins in place"] += 1

    def log_out(self) -> None:
        pair, self.pair = self.pair, {}
        answer = self._persist(lambda worker: worker.logout(pair["refresh"]))
        assert answer.status_code in (200, 202), answer.text
        self.ledger.ended.append((pair, "logged_out"))

    @property
    def is_off(self) -> bool:
        """Nobody sits before it any more."""
        return self.works_until is not None and clock.now() >= self.works_until

    def tick(self) -> None:
        """What the app does by itself: refresh in time, and warn of the end."""
        ends_at = _at(self.pair["session"]["expires_at"])
        if self.works_until and ends_at < self.works_until and ends_at - clock.now() < SOON:
            self.log_in_again_in_place()
        elif self._ahead and _at(self.pair["access_expires_at"]) - clock.now() < AHEAD:
            self.refresh()

    def refresh(self) -> None:
        """Refresh; raise Thrown where the session is over."""
        answer = self._persist(lambda worker: worker.refresh(self.pair["refresh"]))
        if answer.status_code == 200:
            self.pair = answer.get_json()
            self.ledger.counts["refreshes"] += 1
            return
        self._end(answer.get_json()["reason"])

    def get(self, path: str) -> Any:
        return self.call("GET", path).get_json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.call("POST", path, body or {})
        assert answer.status_code in (200, 201, 202), (path, answer.text)
        return answer.get_json()

    def call(
        self, method: str, path: str, body: Any = None, *, version: int | None = None
    ) -> TestResponse:
        """Call a route; after a 401 refresh once and call again. Raises Thrown."""
        answer = self._send(method, path, body, version)
        if answer.status_code == 401:
            self.refresh()
            answer = self._send(method, path, body, version)
            assert answer.status_code != 401, answer.text
        return answer

    def basis(self, patient_id: int) -> str | None:
        """Return on what ground one may open a record now."""
        if self.account.user_type == "doctor":
            return "care_team"
        assert self.shift_ends_at
        return "unit" if clock.now() < self.shift_ends_at else "handoff"

    def _send(self, method: str, path: str, body: Any, version: int | None) -> TestResponse:
        headers = bearer(self.pair["access"])
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self._persist(
            lambda worker: worker.client.open(path, method=method, json=body, headers=headers),
            f"{method} {path}",
        )

    def _persist(self, send: Any, what: str = "") -> TestResponse:
        """Send until it is no 503, as clients do; note every answer about patients."""
        for _ in range(TRIES):
            answer: TestResponse = send(self.workers.next())
            self._note(what, answer)
            if answer.status_code != 503:
                return answer
            self.ledger.counts["503, tried again"] += 1
            time.sleep(0.1)
        raise AssertionError(f"{what} is answered 503 for ever")

    def _note(self, what: str, answer: TestResponse) -> None:
        self.ledger.statuses[answer.status_code] += 1
        if ABOUT_PATIENTS.search(what) and answer.status_code not in (401, 503):
            named = OF_ONE.search(what)
            patient_id = int(named[1]) if named else None
            granted = answer.status_code < 400 and patient_id is not None
            basis = self.basis(patient_id) if granted and patient_id else None
            asked = Asked(self.account.id, what, answer.status_code, patient_id, basis)
            self.ledger.asked[answer.headers["X-Request-ID"]] = asked

    def _end(self, reason: str) -> None:
        self.ledger.ended.append((self.pair, reason))
        if reason not in self.may_end:
            self.ledger.lost.append(f"{self.account.email}: {reason}")
        self.ledger.counts[f"ended: {reason}"] += 1
        raise Thrown(reason)


class Doctor(Client):
    """Looks after half of a unit's patients; one of them opens another record in an emergency."""

    def __init__(self, *args: Any, patients: list[int], **options: Any) -> None:
        super().__init__(*args, **options)
        self.patients = patients
        self.by_glass: int | None = None

    def basis(self, patient_id: int) -> str | None:
        return "break_glass" if patient_id == self.by_glass else super().basis(patient_id)


class Nurse(Client):
    """Answers for some patients of a unit until the next shift takes them."""

    def __init__(self, *args: Any, unit_id: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.unit_id = unit_id
        self.patients: list[int] = []


def _at(rfc3339: str) -> datetime:
    return datetime.fromisoformat(rfc3339)
