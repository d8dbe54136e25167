"""The demo data: in development only, once, and of use."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import Unit, User, UserType
from carelink_api.accounts.password_rules import password_faults
from carelink_api.clinical.models import Appointment, Patient
from carelink_api.clinical.observations.codes import fault
from carelink_api.clinical.record_models import Handoff, NoteVersion, Observation, PatientOwner
from carelink_api.errors import Forbidden
from carelink_api.ops import demo
from tests.auth_helper import Auth
from tests.clinical.ward import HOUR
from tests.conftest import MakeApp


def load(app: Flask) -> bool:
    with app.app_context():
        return demo.load(clock.now())


def _count(sql: Sql, table: type[User] | type[Unit] | type[Appointment]) -> int:
    sql.rollback()
    return sql.scalar(select(func.count()).select_from(table)) or 0


def test_there_is_one_login_of_each_user_type() -> None:
    assert sorted(login.user_type for login in demo.LOGINS) == sorted(UserType)


@pytest.mark.parametrize("login", demo.LOGINS, ids=lambda login: login.user_type)
def test_every_demo_password_keeps_the_rules(login: demo.Login) -> None:
    context = [login.email, login.name, login.unit or ""]
    assert password_faults(login.password, context=context) == []


def test_loading_creates_units_users_and_appointments(app: Flask, sql: Sql) -> None:
    assert load(app)
    assert _count(sql, User) == len(demo.LOGINS)
    profiles = dict(sql.execute(select(Unit.name, Unit.session_profile)).all())
    assert profiles == {"Ward 7": None, "ICU": "high_security", "Emergency": "high_security"}
    assert _count(sql, Appointment) > 0


def test_every_demo_patient_has_two_days_of_vital_signs(app: Flask, sql: Sql) -> None:
    load(app)
    for patient_id in sql.scalars(select(Patient.id)):
        of_patient = select(Observation).where(Observation.patient_id == patient_id)
        found = sql.scalars(of_patient.order_by(Observation.effective_at)).all()
        assert len({each.code for each in found}) == 6
        assert 40 < (clock.now() - found[0].effective_at) / HOUR <= 48
        assert found[-1].effective_at < clock.now()
        assert [fault(each.code, each.value) for each in found] == [None] * 72
        assert sql.get(PatientOwner, patient_id)
    assert sql.scalars(select(Handoff.status)).first() == "pending"
    assert sql.scalars(select(NoteVersion.version)).all()[:2] == [1, 2]


def test_loading_twice_changes_nothing(app: Flask, sql: Sql) -> None:
    assert load(app)
    counts = _count(sql, User), _count(sql, Unit), _count(sql, Appointment)
    assert not load(app)
    assert (_count(sql, User), _count(sql, Unit), _count(sql, Appointment)) == counts


def test_loading_finishes_what_was_interrupted(app: Flask, sql: Sql) -> None:
    load(app)
    sql.execute(delete(Appointment))
    sql.commit()
    assert load(app)
    assert _count(sql, Appointment) > 0
    assert _count(sql, User) == len(demo.LOGINS)


def test_loading_leaves_a_database_with_other_accounts_alone(
    app: Flask, auth: Auth, sql: Sql
) -> None:
    auth.create_user("real@ward.example", user_type="doctor")
    assert not load(app)
    assert _count(sql, User) == 1
    assert _count(sql, Appointment) == 0


@pytest.mark.parametrize("user_type", ["doctor", "patient"])
def test_the_demo_doctor_and_patient_have_appointments_today(
    app: Flask, client: FlaskClient, user_type: str
) -> None:
    load(app)
    login = next(login for login in demo.LOGINS if login.user_type == user_type)
    answer = client.post(
        "/api/auth/login/", json={"email": login.email, "password": login.password}
    )
    held = {"Authorization": f"Bearer {answer.get_json()['access']}"}
    today = client.get(f"/api/appointments/?day={clock.now().date()}", headers=held).get_json()
    assert 0 < today["total"] < client.get("/api/appointments/", headers=held).get_json()["total"]


def test_production_refuses_demo_accounts(make_app: MakeApp) -> None:
    app = make_app(env="production", password_hash_memory_kib=19456, password_hash_iterations=2)
    with pytest.raises(Forbidden):
        load(app)
    result = app.test_cli_runner().invoke(args=["demo", "load"])
    assert result.exit_code == 1
    assert "CARELINK_ENV=development" in result.output
    assert "Traceback" not in result.output


def test_the_command_prints_the_logins_once(runner: FlaskCliRunner) -> None:
    first = runner.invoke(args=["demo", "load"])
    assert first.exit_code == 0, first.output
    for login in demo.LOGINS:
        assert login.email in first.output
        assert login.password in first.output
    again = runner.invoke(args=["demo", "load"])
    assert again.exit_code == 0
    assert "Nothing was loaded" in again.output


def test_the_command_speaks_json(runner: FlaskCliRunner) -> None:
    told = json.loads(runner.invoke(args=["demo", "load", "--json"]).output)
    assert told["loaded"] is True
    assert {login["user_type"] for login in told["logins"]} == set(UserType)
    assert json.loads(runner.invoke(args=["demo", "load", "--json"]).output)["loaded"] is False
