"""The demo hospital: in development only, once, believable, and still of use days later."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import Unit, User, UserType
from carelink_api.accounts.password_rules import password_faults
from carelink_api.clinical.models import Patient
from carelink_api.clinical.observations.codes import fault
from carelink_api.clinical.record_models import Handoff, NoteVersion, Observation, PatientOwner
from carelink_api.errors import Forbidden
from carelink_api.ops import demo, demo_records
from carelink_api.shifts.models import Shift
from tests.auth_helper import Auth
from tests.clinical.ward import HOUR
from tests.conftest import PRODUCTION, MakeApp, Travel

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
PRINTED_NURSES = [login for login in demo.LOGINS if login.user_type == "nurse"]
PULSE, PRESSURE, WARMTH = "8867-4", "8480-6", "8310-5"


def load(app: Flask) -> bool:
    with app.app_context():
        return demo.load(clock.now())


class Visitor:
    """Somebody who tries a printed login."""

    def __init__(self, client: FlaskClient, email: str, password: str | None = None) -> None:
        own = next((login.password for login in demo.LOGINS if login.email == email), "")
        self.client = client
        self.answer = client.post(
            "/api/auth/login/", json={"email": email, "password": password or own}
        )

    def get(self, path: str) -> Any:
        return self._call("GET", path).get_json()

    def post(self, path: str) -> int:
        return self._call("POST", path).status_code

    def _call(self, method: str, path: str) -> Any:
        assert self.answer.status_code == 200, self.answer.get_json()
        held = {"Authorization": f"Bearer {self.answer.get_json()['access']}"}
        return self.client.open(path, method=method, headers=held)


def counts(sql: Sql) -> dict[str, int]:
    sql.rollback()
    tables = (User, Unit, Patient, Shift, Observation, Handoff, NoteVersion, PatientOwner)
    return {
        table.__tablename__: sql.scalar(select(func.count()).select_from(table)) or 0
        for table in tables
    }


def test_every_user_type_has_a_login_that_is_printed() -> None:
    assert {login.user_type for login in demo.LOGINS} == set(UserType)
    assert {login.unit for login in PRINTED_NURSES} == {"ICU", "Emergency", "Ward 7"}


@pytest.mark.parametrize("login", demo.LOGINS, ids=lambda login: login.email)
def test_every_demo_password_keeps_the_rules(login: demo.Login) -> None:
    for password in (login.password, demo.COLLEAGUES_PASSWORD):
        assert password_faults(password, context=[login.email, login.name, login.unit or ""]) == []


def test_loading_fills_three_units_whose_patients_each_have_an_owner_and_a_record(
    app: Flask, sql: Sql
) -> None:
    assert load(app)
    profiles = dict(sql.execute(select(Unit.name, Unit.session_profile)).all())
    assert profiles == {"Ward 7": None, "ICU": "high_security", "Emergency": "high_security"}
    present = select(Shift.user_id).where(
        Shift.starts_at <= clock.now(), Shift.ends_at > clock.now()
    )
    owned = select(Patient.id).join(PatientOwner).where(PatientOwner.user_id.in_(present))
    assert len(set(sql.scalars(owned))) == counts(sql)["patients"] == 60
    leading = select(Shift.unit_id).where(Shift.id.in_(present.with_only_columns(Shift.id)))
    assert len(set(sql.scalars(leading.where(Shift.in_charge)))) == 3
    assert not load(app)
    assert counts(sql)["observations"] > 5000


@on_sqlite
def test_every_patient_has_two_days_of_plausible_vital_signs(app: Flask, sql: Sql) -> None:
    load(app)
    oldest = clock.now() - 48 * HOUR
    for patient_id in sql.scalars(select(Patient.id)):
        of_patient = select(Observation).where(Observation.patient_id == patient_id)
        found = sql.scalars(of_patient.order_by(Observation.effective_at)).all()
        assert len({each.code for each in found}) == 6
        assert oldest < found[0].effective_at < oldest + 5 * HOUR
        assert clock.now() - 5 * HOUR < found[-1].effective_at < clock.now()
        assert [fault(each.code, each.value) for each in found] == [None] * len(found)


@on_sqlite
def test_one_patient_looks_like_a_sepsis(app: Flask, client: FlaskClient) -> None:
    load(app)
    nurse = Visitor(client, "nurse@demo.example")
    worst = nurse.get("/api/patients/?sort=bed")["items"][0]["id"]
    latest = {
        each["code"]: each["value"]
        for each in nurse.get(f"/api/patients/{worst}/observations/latest/")["items"]
    }
    assert latest[PULSE] > 110
    assert latest[WARMTH] > 38.3
    before = nurse.get(f"/api/patients/{worst}/observations/trend/?code={PRESSURE}&hours=48")
    assert before["points"][0]["value"] - latest[PRESSURE] > 15


def test_the_roster_and_the_rounds_go_on_whenever_it_is_started_again(
    app: Flask, client: FlaskClient, sql: Sql, travel: Travel
) -> None:
    load(app)
    before = counts(sql)
    for hours in (7.9, 30, 24 * 9):
        travel(hours * 3600)
        assert not load(app)
        for login in PRINTED_NURSES:
            assert Visitor(client, login.email).answer.status_code == 200
        sql.rollback()
        ahead = select(func.count()).where(Shift.starts_at > clock.now() + 144 * HOUR)
        assert (sql.scalar(ahead) or 0) > 0
        latest = sql.scalar(select(func.max(Observation.effective_at)))
        assert latest is not None
        assert clock.now() - latest < 2 * HOUR
    after = counts(sql)
    assert {name for name in after if after[name] != before[name]} == {"shifts", "observations"}


@on_sqlite
def test_a_printed_nurse_is_not_thrown_out_at_the_change_of_shift_while_it_runs(
    app: Flask, client: FlaskClient, travel: Travel
) -> None:
    load(app)
    nurse = Visitor(client, "ward@demo.example")
    for _ in range(8):
        travel(3600)
        with app.app_context():
            demo.go_on(clock.now())
        pair = nurse.answer.get_json()
        nurse.answer = client.post("/api/auth/refresh/", json={"refresh": pair["refresh"]})
        assert nurse.get("/api/patients/")["total"] == 32


@on_sqlite
def test_starting_again_at_once_changes_nothing(app: Flask, sql: Sql) -> None:
    load(app)
    before = counts(sql)
    assert not load(app)
    assert counts(sql) == before


def test_an_interrupted_load_leaves_nothing_behind(
    app: Flask, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(demo_records, "write_rounds", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(app)
    assert set(counts(sql).values()) == {0}
    sql.rollback()
    assert load(app)


def test_loading_leaves_a_database_with_other_accounts_alone(
    app: Flask, auth: Auth, sql: Sql
) -> None:
    auth.create_user("real@ward.example", user_type="doctor")
    assert not load(app)
    assert sum(counts(sql).values()) == 1


@on_sqlite
def test_a_printed_nurse_accepts_what_a_colleague_hands_over(
    app: Flask, client: FlaskClient
) -> None:
    load(app)
    for login in PRINTED_NURSES:
        nurse = Visitor(client, login.email)
        me = nurse.answer.get_json()["user"]["id"]
        waiting = nurse.get("/api/handoffs/?status=pending")["items"]
        handoff = next(each for each in waiting if each["given_by"]["id"] != me)
        path = f"/api/patients/{handoff['patient']['id']}/handoffs/{handoff['id']}/accept/"
        assert nurse.post(path) == 200


@on_sqlite
def test_the_others_find_what_is_theirs(app: Flask, client: FlaskClient) -> None:
    load(app)
    doctor = Visitor(client, "doctor@demo.example")
    assert 8 < doctor.get("/api/patients/")["total"] < 32
    patient = Visitor(client, "patient@demo.example")
    record = patient.get("/api/patients/")["items"][0]
    assert record["name"] == patient.answer.get_json()["user"]["name"]
    for visitor in (doctor, patient):
        today = visitor.get(f"/api/appointments/?day={clock.now().date()}")
        assert 0 < today["total"] < visitor.get("/api/appointments/")["total"]
    charge = Visitor(client, "charge@demo.example")
    assert charge.get("/api/shifts/")["total"] > 50
    reviewer = Visitor(client, "admin@demo.example")
    waiting = reviewer.get("/api/break-glass/reviews/")["items"]
    assert [each["accesses"] for each in waiting] == [2, 2]
    overdue = reviewer.get("/api/break-glass/reviews/?status=overdue")
    assert [each["id"] for each in overdue["items"]] == [waiting[0]["id"]]


@on_sqlite
def test_colleagues_share_a_password_that_is_told(
    app: Flask, client: FlaskClient, sql: Sql
) -> None:
    load(app)
    on_shift = (Shift.starts_at <= clock.now(), Shift.ends_at > clock.now())
    printed = [login.email for login in demo.LOGINS]
    colleague = sql.scalars(
        select(User.email).join(Shift).where(*on_shift, User.email.not_in(printed))
    ).first()
    assert colleague
    assert Visitor(client, colleague, demo.COLLEAGUES_PASSWORD).get("/api/patients/")["total"] > 0


def test_production_refuses_demo_accounts(make_app: MakeApp) -> None:
    app = make_app(**PRODUCTION)
    with pytest.raises(Forbidden):
        load(app)
    result = app.test_cli_runner().invoke(args=["demo", "load"])
    assert result.exit_code == 1
    assert "CARELINK_ENV=development" in result.output
    assert "Traceback" not in result.output


@on_sqlite
def test_the_command_prints_the_logins_once(runner: FlaskCliRunner) -> None:
    first = runner.invoke(args=["demo", "load"])
    assert first.exit_code == 0, first.output
    for login in demo.LOGINS:
        assert login.email in first.output
        assert login.password in first.output
    again = runner.invoke(args=["demo", "load"])
    assert again.exit_code == 0
    assert "Nothing was loaded" in again.output


@on_sqlite
def test_the_command_speaks_json(runner: FlaskCliRunner) -> None:
    told = json.loads(runner.invoke(args=["demo", "load", "--json"]).output)
    assert told["loaded"] is True
    assert {login["user_type"] for login in told["logins"]} == set(UserType)
    assert json.loads(runner.invoke(args=["demo", "load", "--json"]).output)["loaded"] is False
