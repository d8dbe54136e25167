"""Following the audit trail, without what is about patients."""

from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session as Sql

from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.clinical.ward import Ward
from tests.conftest import Travel
from tests.ops.commands import sqlite_only
from tests.ops.operator import (
    ANNA,
    BEN,
    CLEO,
    Logged,
    Operator,
    sid,
    trail,
)


def test_events_are_followed_by_asking_again(auth: Auth, piet: Operator, travel: Travel) -> None:
    travel(20)
    auth.login(ANNA, "wrong password")
    first = piet.ask("events")
    assert [event["event"] for event in first["items"]] == ["login:refused"]
    (refused,) = first["items"]
    assert (refused["reason"], refused["user"]["email"], refused["outcome"]) == (
        "wrong_password",
        ANNA,
        "refused",
    )
    again = piet.ask("events", after=first["next_after"])
    assert again["items"] == first["items"], "young ones come again: an older may still join them"
    travel(20)
    auth.login(BEN, "wrong password")
    later = piet.ask("events", after=first["next_after"])
    assert [event["user"]["email"] for event in later["items"]] == [ANNA, BEN]
    assert later["next_after"] == refused["id"]
    travel(20)
    assert piet.ask("events", after=later["items"][-1]["id"])["items"] == []


def test_whoever_reads_what_is_past_is_audited_whatever_the_place_to_go_on_from(
    auth: Auth, piet: Operator, ward: Logged, sql: Sql, travel: Travel
) -> None:
    first = piet.ask("events", kind="all")
    travel(60)
    assert piet.ask("events", kind="all", after=first["next_after"])["items"]
    assert len(trail(sql, "trail:read")) == 1, "it goes on asking"
    travel(3000)
    piet.log_in()
    of_cleo = {"user_id": ward[CLEO]["user"]["id"], "kind": "all"}
    assert piet.ask("events", after=0, **of_cleo)["items"]
    began, looked_back = trail(sql, "trail:read")
    assert (began.detail, looked_back.detail) == ({"by": []}, {"by": ["user_id"]})


def test_events_can_be_narrowed(auth: Auth, piet: Operator, ward: Logged, sql: Sql) -> None:
    auth.logout(ward[BEN]["refresh"])
    anna = auth.tokens(ANNA)
    one = auth.refresh(anna["refresh"]).get_json()
    two = auth.refresh(one["refresh"]).get_json()
    sql.execute(update(Session).where(Session.id == sid(anna)).values(retired=[]))
    sql.commit()
    assert auth.refresh(anna["refresh"]).status_code == 401
    (alarm,) = piet.ask("events", kind="alerts")["items"]
    assert (alarm["event"], alarm["session"]) == ("session:reused", sid(two))
    of_ben = piet.ask("events", session=sid(ward[BEN]), kind="all")["items"]
    assert [event["event"] for event in of_ben] == ["login:succeeded", "session:logged_out"]
    short = piet.ask("events", kind="all", limit=2)
    assert short["skipped"]
    assert len(short["items"]) == 2


@sqlite_only
def test_nothing_of_a_patients_record_is_in_the_events(
    app: Flask, auth: Auth, piet: Operator
) -> None:
    """Who has read whose record is for the patient and for reviewers."""
    ward = Ward(app, auth.client)
    patient = ward.patient("Ada Byron", unit_id=ward.unit())
    nurse = ward.nurse(ward.unit(), "dora@ward.example")
    assert ward.get(nurse, f"/api/patients/{patient}/").status_code == 200
    found = piet.ask("events", kind="all")["items"]
    assert {event["event"].partition(":")[0] for event in found} <= {"login", "session", "trail"}


def test_broken_glass_is_counted_without_saying_whose(
    app: Flask, auth: Auth, piet: Operator
) -> None:
    ward = Ward(app, auth.client)
    patient = ward.patient("Ada Byron", unit_id=ward.unit("Ward 9"))
    doctor = ward.user("doc@ward.example", "doctor")
    emergency = {
        "patient_id": patient,
        "reason_code": "covering",
        "reason_text": "In for a colleague tonight",
    }
    assert ward.post(doctor, "/api/break-glass/", emergency).status_code == 201
    counted = piet.ask("break-glass")
    assert counted.pop("next_due_at")
    (there,) = counted.pop("by_unit")
    assert (there["unit"]["name"], there["opened"], there["awaiting"]) == ("Ward 9", 1, 1)
    assert counted == {
        "open_now": 1, "opened_last_day": 1, "opened_last_30_days": 1, "awaiting": 1, "overdue": 0,
    }  # fmt: skip
    (alarm,) = piet.ask("events", kind="alerts")["items"]
    assert alarm["event"] == "break_glass:opened"
    assert alarm["detail"] == {"reason_code": "covering"}
