"""Who fuzzes: an account of a kind, logged in anew for each request that may end a session.

It may log out, log out everywhere or change the password. The next one starts with good
credentials all the same, so that it reaches what lies behind them. Other requests share a session
for a while: most of a campaign's time went into logins.
"""

import re
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, cycle
from typing import Any

from schemathesis import AuthContext, Case, GenerationMode

from carelink_api import clock
from carelink_api.api import rfc3339
from carelink_api.clinical.fhir.accept import FHIR_JSON
from tests.auth.cookie_jar import Browser
from tests.auth_helper import PASSWORD, Account, Auth

Live = dict[str, int]
"""By the name that a path gives it: the id of something that is there.

`operation.name` is for one operation only.
"""
LIVE_TOKENS = {"refresh": "refresh", "logout": "refresh", "verify": "token"}
"""Operations whose body carries a token, and the member that does."""
BY_COOKIE = {"refresh", "logout"}
BY_A_FRESH_LOGIN = {
    "create_account", "change_account", "disable_account", "enable_account", "make_account_code",
    "end_unit_sessions",
}  # fmt: skip
SESSION_ENDING_TAGS = {"auth", "sessions", "ops", "accounts"}
SHARED_BY = 20
"""So many requests, as something made up may end a session after all."""
NEW_PASSWORD = "seven umbrellas on the quay"

_PLACES = count()
_ACCEPT = cycle(("*/*", FHIR_JSON))
"""Where there is only JSON, the header means nothing."""


def _appointment(live: Live) -> dict[str, Any]:
    return _tomorrow() | {"patient_id": live["patient_id"], "doctor_id": live["doctor_id"]}


def _tomorrow() -> dict[str, str]:
    """Return times of half an hour in the morning of some day."""
    starts_at = clock.now() + timedelta(minutes=1440 + 30 * next(_PLACES))
    return {
        "starts_at": rfc3339(starts_at),
        "ends_at": rfc3339(starts_at + timedelta(minutes=30)),
    }


def _a_shift() -> dict[str, str]:
    """Return times of a shift on some day, of which nobody works two in a row."""
    starts_at = clock.now() + timedelta(days=2 + next(_PLACES) % 2000)
    return {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(starts_at + timedelta(hours=8))}


LIVE_BODIES: dict[str, Callable[[Live], dict[str, Any]]] = {
    "create_patient": lambda live: {"unit_id": live["unit_id"], "bed": None},
    "change_patient": lambda live: {"unit_id": live["unit_id"], "bed": None, "name": "Changed"},
    "admit_patient": lambda live: {"unit_id": live["unit_id"], "bed": None},
    "find_patient": lambda live: {"mrn": f"FUZZ-{live['mrn_number']}"},
    "add_care_team_member": lambda live: {
        "user_id": live["colleague_id"], "role": "attending", "starts_at": None, "ends_at": None,
    },
    "create_shift": lambda live: {
        "user_id": live.get("user_id", 1), "unit_id": live["unit_id"]} | _a_shift(),
    "change_shift": lambda live: {
        "user_id": live.get("user_id", 1), "unit_id": live["unit_id"]} | _a_shift(),
    "create_account": lambda live: {
        "email": f"new{next(_PLACES)}@ward.example", "user_type": "nurse",
        "unit_id": live["unit_id"]},
    "change_account": lambda live: {"name": "Changed", "user_type": "nurse",
                                    "unit_id": live["unit_id"]},
    "sign_trail_review": lambda _: {"since": "2026-01-01T00:00:00Z",
                                    "until": "2026-02-01T00:00:00Z"},
    "book_appointment": _appointment,
    "move_appointment": lambda _: _tomorrow(),
}  # fmt: skip
"""By operation: what makes a valid body one about somebody who is there."""


@dataclass
class Person:
    """One user type's accounts. As a provider of Schemathesis it authenticates each request."""

    auth: Auth
    user_type: str
    unit: str
    settle: Callable[[Account], Live]
    """Gives a new account what it can be tied to."""
    account: Account = field(init=False)
    live: Live = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    _shared: list[dict[str, Any]] = field(default_factory=list)
    """One session's answer, for each request that is still to be made with it."""
    _valid: Counter[str] = field(default_factory=Counter)
    """How many valid requests went to each route."""

    def __post_init__(self) -> None:
        self.account = self.make_account()

    def make_account(self) -> Account:
        """Return another account of the kind."""
        email = f"{self.user_type}-{next(self._numbers)}@ward.example"
        made = self.auth.create_user(email, self.user_type, unit=self.unit, profile="high_security")
        self.live |= self.settle(made)
        return made

    def log_in(self, account: Account | None = None) -> dict[str, Any]:
        """Return a new session's answer."""
        response = self.auth.login((account or self.account).email)
        if response.status_code == 401:  # it has been guessed at too often
            self.account = self.make_account()
            response = self.auth.login(self.account.email)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.get_json()
        return answer

    def make_passing_account(self) -> Account:
        """Return another account of the kind, tied to nobody."""
        kept = dict(self.live)
        made = self.make_account()
        self.live = kept
        return made

    def get(self, case: Case, context: AuthContext) -> dict[str, Any]:
        """Return credentials for one request; those for a password change are its own."""
        if SESSION_ENDING_TAGS & set(case.operation.definition.raw["tags"]):
            self._shared = []
            account = self.make_passing_account() if _operation(case) == "password" else None
            return self.log_in(account)
        if not self._shared:
            self._shared = [self.log_in()] * SHARED_BY
        return self._shared.pop()

    def set(self, case: Case, data: dict[str, Any], context: AuthContext) -> None:
        """Put them into the header, and into the body of every second valid request to a route."""
        case.headers["Authorization"] = f"Bearer {data['access']}"
        case.headers["Accept"] = next(_ACCEPT)
        if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
            if _operation(case) == "revoke_sessions" and isinstance(case.body, dict):
                case.body = self._spare_others(case.body)
            if "Idempotency-Key" in case.headers:  # another one would stand for another request
                case.headers["Idempotency-Key"] = f'"{secrets.token_urlsafe(16)}"'
            self._valid[_operation(case)] += 1
            if self._valid[_operation(case)] % 2:
                self._put_live_values(case, data)

    def _put_live_values(self, case: Case, data: dict[str, Any]) -> None:
        operation, body = _operation(case), case.body
        linked = case.meta is not None and case.meta.phase.name == "stateful"
        if operation == "login" and isinstance(body, dict):
            case.body = _no_other_type(body) | self._credentials()
            case.headers["Origin"] = case.operation.base_url
            if self._valid[operation] % 4 == 3:
                case.body = case.body | {"transport": "cookie"}
        elif operation == "password" and isinstance(body, dict):
            case.body = body | {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        elif operation == "break_glass" and isinstance(body, dict):
            asked_for = self.live["closed_patient_id"]
            case.body = body | {"patient_id": asked_for, "password": PASSWORD}
        elif operation == "flush_denylist" and isinstance(body, dict):
            case.body = _by_the_login(body)
        elif linked:
            return
        elif operation in BY_COOKIE and self._valid[operation] % 4 == 3:
            self._put_live_cookies(case)
        elif operation in LIVE_TOKENS and isinstance(body, dict):
            case.body = body | {LIVE_TOKENS[operation]: data["refresh"]}
        elif operation == "end_session":
            case.path_parameters = {"sid": self.log_in()["session"]["id"]}
        self._put_live_ids(case, data["access"])

    def _put_live_cookies(self, case: Case) -> None:
        """Send what the browser of another session of theirs would send, and no token else."""
        browser = Browser(self.auth.app.test_client(use_cookies=False))
        browser.logged_in(self.account.email)
        case.body, case.cookies = {}, dict(browser.jar)
        case.headers["Origin"] = case.operation.base_url
        case.headers["X-CareLink-CSRF"] = browser.csrf

    def _put_live_ids(self, case: Case, access: str) -> None:
        """Put ids that are there into path and body, and the present version into If-Match."""
        operation = _operation(case)
        names = {name: f"{operation}.{name}" for name in case.path_parameters}
        case.path_parameters |= {
            name: self.live[key]
            for name, own in names.items()
            for key in (name, own)
            if key in self.live
        }
        if operation in LIVE_BODIES and isinstance(case.body, dict):
            case.body = case.body | LIVE_BODIES[operation](self.live)
        if operation in BY_A_FRESH_LOGIN and isinstance(case.body, dict):
            case.body = _by_the_login(case.body)
        if "If-Match" in case.headers:
            path = case.path.format(**case.path_parameters)
            shown = self.auth.get(path[: re.search(r".*\d/", path).end()], access)
            case.headers["If-Match"] = shown.headers.get("ETag", '"1"')

    def _spare_others(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let a valid revocation be of one session that nobody needs, by a fresh credential."""
        order = {"at_most": 1, "reason": "A drill", "session": self.log_in()["session"]["id"]}
        return order | {
            name: body[name] for name in ("dry_run", "at_most", "reason") if name in body
        }

    def _credentials(self) -> dict[str, str]:
        return {"email": self.account.email, "password": self.account.password}


def _operation(case: Case) -> str:
    """Return the operation's id; an alias counts as what it is an alias of."""
    found: str = case.operation.definition.raw["operationId"]
    return found.removesuffix("_alias")


def _by_the_login(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without a made-up password: the login is fresh."""
    return {name: value for name, value in body.items() if name != "password"}


def _no_other_type(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "user_type"}
