"""The application keeps to its own document, whoever asks and whatever is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import Engine

from carelink_api import clock
from carelink_api.extensions import db
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account, Auth
from tests.clinical.ward import HOUR
from tests.clinical.ward import Ward as ClinicalWard
from tests.conftest import MakeServer
from tests.fuzz import campaign
from tests.fuzz.bounds import TIMES
from tests.fuzz.campaign import Report
from tests.fuzz.invariants import (
    Trail,
    assert_kept_secret,
    assert_one_event_each,
    assert_sessions_are_whole,
    assert_the_log_is_quiet,
    assert_the_trail_only_grew,
    audit_trail,
)
from tests.fuzz.people import Live, Person
from tests.ops.commands import done
from tests.servers import ApiServer

CHARGE = "charge nurse"
UNGUESSED = 4711
"""A version that no made-up request happens to name: what is live is changed on purpose only."""
PHASES = {"examples", "coverage", "fuzzing", "stateful"}
# A stranger's tokens are made up, sometimes with a comma: two credentials, a 400.
STRANGER = {"expected-statuses": ["2xx", "400", "401", "404", "429"]}


@dataclass
class Ward:
    """One running server, and somebody whom nothing of it all concerns."""

    server: ApiServer
    auth: Auth
    engine: Engine
    redis: redis.Redis
    bystander: dict[str, Any]
    trail: Trail
    _doctor: Account | None = None

    def person(self, kind: str) -> Person:
        """Return somebody to fuzz as, tied to a patient where the type can be."""
        in_charge = kind == CHARGE
        user_type = "nurse" if in_charge else kind
        settle = partial(self._settle, in_charge=in_charge)
        return Person(self.auth, user_type, "ICU", settle=settle)

    def _settle(self, account: Account, *, in_charge: bool) -> Live:
        """Give an account its patient; return the ids with which a path can be live."""
        ward = ClinicalWard(self.auth.app)
        unit_id = ward.unit("ICU")
        own = account.id if account.user_type == "patient" else None
        patient_id = ward.patient(unit_id=unit_id, user_id=own, version=UNGUESSED,
                                  mrn=f"FUZZ-{account.id}")  # fmt: skip
        live = ward.records(patient_id, account)
        if account.user_type == "nurse":
            live |= {"shift_id": ward.on_shift(account, unit_id, in_charge=in_charge)}
        if in_charge or account.user_type == "admin":
            live |= self._to_lead(ward, account, unit_id)
        if account.user_type == "doctor":
            ward.care(account, patient_id)
        doctor = self._doctor or ward.user("settled@ward.example", "doctor")
        self._doctor = doctor
        member_id = ward.care(doctor, patient_id)
        theirs = account if account.user_type == "doctor" else doctor
        outpatient_id, leaving_id = ward.patient(), ward.patient(unit_id=unit_id)
        if account.user_type == "doctor":
            ward.care(account, outpatient_id)
            ward.care(account, leaving_id)
        closed_id = ward.patient("Nobody's")
        return live | {
            "closed_patient_id": closed_id,
            "grant_id": ward.grant(account, closed_id),
            "patient_id": patient_id,
            "mrn_number": account.id,
            "member_id": member_id,
            "appointment_id": ward.appointment(theirs, patient_id, version=UNGUESSED),
            "cancel_appointment.appointment_id": ward.appointment(theirs, patient_id),
            "fulfil_appointment.appointment_id": ward.appointment(theirs, patient_id, clock.now()),
            "mark_no_show.appointment_id": ward.appointment(theirs, patient_id, clock.now()),
            "reopen_appointment.appointment_id": ward.appointment(
                theirs, patient_id, clock.now() - HOUR, status="noshow"
            ),
            "take_patient.patient_id": ward.patient(unit_id=unit_id),
            "unit_id": unit_id,
            "doctor_id": doctor.id,
            "colleague_id": ward.user(f"colleague-{patient_id}@ward.example", "doctor").id,
            "admit_patient.patient_id": outpatient_id,
            "discharge_patient.patient_id": leaving_id,
        }

    def _to_lead(self, ward: ClinicalWard, account: Account, unit_id: int) -> Live:
        """Return what only a charge nurse or an administrator works on."""
        tomorrow = clock.now() + 24 * HOUR
        times = {"starts_at": tomorrow, "ends_at": tomorrow + 8 * HOUR}
        staff = ward.user(f"staff-{account.id}@ward.example", "nurse")
        shifts = [ward.on_shift(staff, unit_id, **times) for _ in range(2)]
        coded = ward.user(f"coded-{account.id}@ward.example", "nurse")
        grant = ward.grant(staff, ward.patient(unit_id=unit_id), unit_id=unit_id)
        return {
            "user_id": staff.id,
            "make_account_code.user_id": coded.id,
            "change_shift.shift_id": shifts[0],
            "cancel_shift.shift_id": shifts[1],
            "review_grant.grant_id": grant,
        }

    def assert_unharmed(self, report: Report) -> None:
        """Nothing was found, nobody else is affected, and stores and log are as they must be."""
        assert not report.failures, "\n".join(report.failures)
        # Not by the access token of before: on a slow machine this takes longer than one lives.
        refreshed = self.auth.refresh(self.bystander["refresh"]).get_json()
        assert refreshed["reissued"] is False
        assert self.auth.me(refreshed["access"]).status_code == 200
        if report.statuses.get("flush_denylist", {}).get(
            200
        ):  # what it drops comes back, and nobody got in
            done(self.auth.app.test_cli_runner(), "denylist", "reload")
        trail = audit_trail(self.engine)
        assert_the_trail_only_grew(self.trail, trail)
        assert_sessions_are_whole(self.engine, self.auth.app)
        assert_one_event_each(self.engine)
        assert_the_log_is_quiet(self.server)
        secrets = report.secrets | {self.bystander["access"], self.bystander["refresh"]}
        assert_kept_secret(secrets, self.server, trail, self.redis)


@pytest.fixture
def make_ward(
    app: Flask, auth: Auth, api_server: MakeServer, redis_client: redis.Redis
) -> Callable[..., Ward]:
    """Start a server on the stores of `app`, which makes accounts and logs in without limits."""

    def make(bystander_type: str = "nurse", **settings: Any) -> Ward:
        server = api_server(workers=1, blocking_threads=4, **settings)
        # Where nobody is idle: nothing of the bystander's happens until the end.
        auth.create_user("bystander@ward.example", bystander_type, unit="Ward 7")
        bystander = auth.tokens("bystander@ward.example")
        with app.app_context():
            engine = db.engine
        return Ward(server, auth, engine, redis_client, bystander, audit_trail(engine))

    return make


@pytest.fixture
def ward(make_ward: Callable[..., Ward]) -> Ward:
    return make_ward()


@SQLITE
def test_a_stranger_finds_nothing(ward: Ward) -> None:
    """Without a token nobody comes as far as another field's bounds: those are tried below."""
    report = campaign.run(
        ward.server, None, aliases=True, bounds_of=["auth"], positive_data_acceptance=STRANGER
    )
    ward.assert_unharmed(report)
    assert set(report.phases) >= PHASES
    assert report.total(200) == report.statuses["jwks"][200]
    assert report.total(401) > 100


@SQLITE
def test_a_nurse_finds_nothing(ward: Ward) -> None:
    """A doctor tries every bound of every field; here are tried those that no doctor reaches."""
    bounds_of = [] if TIMES > 1 else [name for name, who in MAY.items() if who == {"nurse", CHARGE}]
    report = campaign.run(
        ward.server, ward.person("nurse"), aliases=True, bounds_of=bounds_of, examples=10
    )
    ward.assert_unharmed(report)
    assert set(report.phases) >= PHASES
    assert_it_went_deep(report, "nurse")
    assert {"login", "refresh", "logout"} <= {
        name for name, count in report.cookies.items() if count
    }


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_doctor_finds_nothing_on_postgresql(ward: Ward) -> None:
    report = campaign.run(ward.server, ward.person("doctor"))
    ward.assert_unharmed(report)
    assert set(report.phases) >= PHASES
    assert_it_went_deep(report, "doctor")


@SQLITE
@pytest.mark.parametrize("user_type", ["patient", "ops"])
def test_another_user_finds_nothing(user_type: str, ward: Ward) -> None:
    """Every bound of every field is tried above; it does not depend on who asks."""
    person = ward.person(user_type)
    report = campaign.run(ward.server, person, every_bound=False, examples=6)
    ward.assert_unharmed(report)
    assert set(report.phases) >= PHASES - {"coverage"}
    assert_it_went_deep(report, user_type)


@SQLITE
@pytest.mark.parametrize("kind", ["researcher", "admin", CHARGE])
def test_who_leads_or_counts_finds_nothing(kind: str, make_ward: Callable[..., Ward]) -> None:
    """What they may, and others above may not.

    An administrator touches no account of an operator: so not the one whom it all concerns nothing.
    """
    ward = make_ward("ops" if kind == "admin" else "nurse")
    only = [name for name, who in MAY.items() if kind in who and "doctor" not in who]
    if kind == CHARGE:  # made-up changes are seldom of her unit: they are the administrator's
        only = [name for name in only if "admin" in MAY[name] and name != "change_shift"]
    report = campaign.run(ward.server, ward.person(kind), every_bound=False, only=only, examples=10)
    ward.assert_unharmed(report)
    assert report.statuses.keys() == set(only)
    assert_it_went_deep(report, kind, least_unprocessable=min(10, len(only)))


@SQLITE
def test_throttled_answers_are_documented_too(make_ward: Callable[..., Ward]) -> None:
    ward = make_ward(ratelimit_enabled=True)
    report = campaign.run(
        ward.server, None, token_endpoints_only=True, positive_data_acceptance=STRANGER
    )
    ward.assert_unharmed(report)
    assert report.statuses["login"][429]


LEADING = {"admin", CHARGE}
_MAY = {
    "list_patients": {"patient", "nurse", "doctor"},
    "read_board": {"patient", "nurse", "doctor"},
    "read_chart": {"patient", "nurse", "doctor"},
    "find_patient": {"patient", "nurse", "doctor"},
    "read_patient": {"patient", "nurse", "doctor"},
    "list_patient_versions": {"patient", "nurse", "doctor"},
    "list_appointment_versions": {"patient", "nurse", "doctor"},
    "create_patient": {"nurse", "doctor"},
    "change_patient": {"nurse", "doctor"},
    "admit_patient": {"doctor"},  # a nurse may discharge, and then no more
    "discharge_patient": {"nurse", "doctor"},
    "list_access_log": {"patient"},
    "list_care_team": {"patient", "nurse", "doctor"},
    "read_care_team_member": {"patient", "nurse", "doctor"},
    "add_care_team_member": {"nurse", "doctor"},
    "end_care_team_member": {"nurse", "doctor"},
    "break_glass": {"nurse", "doctor"},
    "list_own_grants": {"nurse", "doctor"},
    "give_back": {"nurse", "doctor"},
    "list_reviews": {"admin"},
    "review_grant": {"admin"},
    "list_rates": {"admin"},
    "list_break_glass_of_unit": LEADING,
    "ops_numbers": {"ops"},
    "ops_sessions": {"ops"},
    "revoke_sessions": {"ops"},
    "ops_denylist": {"ops"},
    "flush_denylist": {"ops"},
    "ops_events": {"ops"},
    "ops_break_glass": {"ops"},
    "ops_health": {"ops"},
    "report_trail": {"admin"},
    "list_trail_reviews": {"admin"},
    "sign_trail_review": {"admin"},
    "list_accounts": {"admin"},
    "create_account": {"admin"},
    "look_at_account": {"admin"},
    "change_account": {"admin"},
    "disable_account": {"admin"},
    "enable_account": {"admin"},
    "make_account_code": {"admin"},
    "list_appointments": {"patient", "nurse", "doctor"},
    "read_appointment": {"patient", "nurse", "doctor"},
    "book_appointment": {"patient", "nurse", "doctor"},
    "move_appointment": {"patient", "nurse", "doctor"},
    "cancel_appointment": {"patient", "nurse", "doctor"},
    "fulfil_appointment": {"nurse", "doctor"},
    "mark_no_show": {"nurse", "doctor"},
    "reopen_appointment": {"nurse", "doctor"},
    "list_observations": {"patient", "nurse", "doctor"},
    "latest_observations": {"patient", "nurse", "doctor"},
    "trend_of_observations": {"patient", "nurse", "doctor"},
    "read_observation": {"patient", "nurse", "doctor"},
    "record_observations": {"nurse", "doctor"},
    "mark_observation_in_error": {"nurse", "doctor"},
    "list_shifts": {"nurse", "admin"},
    "read_shift": {"nurse", "admin"},
    "create_shift": LEADING,
    "change_shift": LEADING,
    "cancel_shift": LEADING,
    "vital_sign_statistics": {"researcher"},
    "list_units": {"nurse", "doctor", "ops", "admin"},
    "list_unit_staff": {"nurse", "doctor", "ops", "admin"},
    "list_unit_sessions": LEADING,
    "end_unit_sessions": LEADING,
    "list_handoffs": {"patient", "nurse", "doctor"},
    "list_handoffs_of_patient": {"patient", "nurse", "doctor"},
    "read_handoff": {"patient", "nurse", "doctor"},
    "read_owner": {"patient", "nurse", "doctor"},
    "take_patient": {"nurse"},
    "give_handoff": {"nurse"},
    "accept_handoff": {"nurse"},
    "withdraw_handoff": {"nurse"},
    "list_notes": {"patient", "nurse", "doctor"},
    "read_note": {"patient", "nurse", "doctor"},
    "list_note_versions": {"patient", "nurse", "doctor"},
    "write_note": {"nurse", "doctor"},
    "amend_note": {"nurse", "doctor"},
}
MAY = {name: who | ({CHARGE} if "nurse" in who else set()) for name, who in _MAY.items()}
"""Operations that are not for everyone."""
BY_CODE = {"password_reset"}
"""Operations that take a secret which a person hands over: nobody comes across one."""


def assert_it_went_deep(report: Report, user_type: str, least_unprocessable: int = 10) -> None:
    """Every operation has also done what it is for, and refused what it must."""
    for operation, statuses in report.statuses.items():
        if operation in BY_CODE:
            assert statuses[401], (operation, statuses)
            assert not statuses[200], (operation, statuses)
        elif user_type in MAY.get(operation, {user_type}):
            assert statuses[200] or statuses[201], (operation, statuses)
            # A stranger has tried every operation; here it is seldom tried where all is refused.
            refused = statuses[401] + statuses[400] + statuses[428]
            assert operation == "jwks" or refused, (operation, statuses)
        else:
            assert statuses[403] or statuses[404], (operation, statuses)
            assert not statuses[200] + statuses[201], (operation, statuses)
    assert report.total(422) >= least_unprocessable
