"""Every emergency access has an end in the trail: once, with its time and its reason."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit import fhir
from carelink_api.audit.canonical import moment
from carelink_api.audit.models import AuditEvent
from carelink_api.clinical.break_glass.ending import note_ends
from carelink_api.clinical.break_glass.models import BreakGlassGrant
from carelink_api.clinical.break_glass.rules import GrantEnd, end_of
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.sessions.models import Session
from tests.auth_helper import Account
from tests.clinical.test_break_glass import MINUTE, PATH, opened
from tests.clinical.test_break_glass_reviews import queue
from tests.clinical.test_patients_read import events, one
from tests.clinical.ward import HOUR, Ward
from tests.conftest import Travel
from tests.sessions.helpers import parts

SECOND = timedelta(seconds=1)
T = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def keeper(app: Flask) -> Iterator[Housekeeper]:
    with app.app_context():
        yield Housekeeper(parts(app))


@pytest.fixture
def patient(ward: Ward) -> int:
    return ward.patient(unit_id=ward.unit("ICU"))


def tidy(keeper: Housekeeper) -> None:
    keeper.round(db.session(), clock.now())


def ends(sql: Sql) -> list[tuple[AuditEvent, list[int]]]:
    """Return the events of ends, and whom each is about."""
    return [(event, about) for event, about in events(sql, "break_glass:ended")]


def grant_of(sql: Sql, id: int) -> BreakGlassGrant:
    sql.rollback()
    return sql.get_one(BreakGlassGrant, id)


@pytest.mark.parametrize(
    ("session_ends", "at", "expected"),
    [
        ((None, None, T + 9 * HOUR), T + HOUR - SECOND, None),
        ((None, None, T + 9 * HOUR), T + HOUR, (T + HOUR, GrantEnd.RAN_OUT)),
        ((None, None, T + HOUR), T + 2 * HOUR, (T + HOUR, GrantEnd.RAN_OUT)),
        ((None, None, T + HOUR / 2), T + HOUR / 2, (T + HOUR / 2, GrantEnd.SESSION_ENDED)),
        ((T + HOUR / 4, T + HOUR / 4, T + 9 * HOUR), T + 3 * HOUR,
         (T + HOUR / 4, GrantEnd.SESSION_ENDED)),
        ((None, T + HOUR / 2, T + 9 * HOUR), T + HOUR / 4, None),  # an end that lies ahead
        ((None, T + HOUR / 2, T + 9 * HOUR), T + HOUR, (T + HOUR / 2, GrantEnd.SESSION_ENDED)),
        ((T + 2 * HOUR, None, T + 9 * HOUR), T + 3 * HOUR, (T + HOUR, GrantEnd.RAN_OUT)),
        ((T - SECOND, None, T + 9 * HOUR), T, (T, GrantEnd.SESSION_ENDED)),  # clocks
        ((), T + 2 * HOUR, (T + HOUR, GrantEnd.RAN_OUT)),
    ],
)  # fmt: skip
def test_whatever_comes_first_ends_it(session_ends: Any, at: datetime, expected: Any) -> None:
    assert end_of(T, T + HOUR, session_ends, at) == expected


def test_one_that_is_given_back_has_its_one_event(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql, travel: Travel
) -> None:
    doctor = ward.doctor()
    grant = opened(ward, doctor, patient)
    for _ in range(2):
        given = ward.call(doctor, "DELETE", f"{PATH}{grant}/").get_json()
        assert (given["end_reason"], given["open"]) == ("given_back", False)
    travel(2 * 60 * MINUTE)
    tidy(keeper)
    [(event, about)] = ends(sql)
    assert (event.reason, event.actor, about) == ("given_back", f"user:{doctor.id}", [patient])
    assert event.detail == {"basis": "break_glass", "basis_id": grant}


@pytest.mark.parametrize("late", [1, 3 * 60 * MINUTE])
def test_one_that_runs_out_has_its_one_event_with_its_own_time_however_late_it_is_noted(
    late: int, ward: Ward, patient: int, keeper: Housekeeper, sql: Sql, travel: Travel
) -> None:
    doctor = ward.doctor()
    grant = opened(ward, doctor, patient)
    over_at = grant_of(sql, grant).expires_at
    travel(60 * MINUTE - 30)
    tidy(keeper)
    assert ends(sql) == []
    travel(30 + late)
    for _ in range(2):
        tidy(keeper)
    [(event, about)] = ends(sql)
    assert (event.reason, event.actor, about) == ("ran_out", "housekeeper", [patient])
    assert event.detail == {
        "basis": "break_glass",
        "basis_id": grant,
        "occurred_at": moment(over_at),
    }
    assert (event.user_id, event.sid) == (doctor.id, grant_of(sql, grant).sid)
    assert (clock.now() - event.recorded_at).total_seconds() < 10
    ward.log_in_anew(doctor)
    [listed] = ward.get(doctor, PATH).get_json()["items"]
    assert listed["end_reason"] == "ran_out"
    assert listed["ended_at"] == listed["expires_at"]


def _log_out(ward: Ward, account: Account) -> None:
    ward.auth.logout(access=ward.access(account))


def _disable(ward: Ward, account: Account) -> None:
    runner = ward.auth.app.test_cli_runner()
    assert runner.invoke(args=["users", "disable", account.email, "--yes"]).exit_code == 0


def _revoke(ward: Ward, account: Account) -> None:
    words = ["sessions", "revoke", "--user", account.email, "--reason", "Lost phone", "--yes"]
    assert ward.auth.app.test_cli_runner().invoke(args=words).exit_code == 0


@pytest.mark.parametrize("end", [_log_out, _disable, _revoke])
def test_one_whose_session_somebody_ends_has_ended_then(
    end: Any, ward: Ward, patient: int, keeper: Housekeeper, sql: Sql, travel: Travel
) -> None:
    doctor = ward.doctor()
    grant = opened(ward, doctor, patient)
    travel(10 * MINUTE)
    end(ward, doctor)
    travel(5 * MINUTE)
    for _ in range(2):
        tidy(keeper)
    [(event, about)] = ends(sql)
    session_ended_at = sql.scalars(select(Session.ended_at).where(Session.id == event.sid)).one()
    assert session_ended_at is not None
    assert (event.reason, about) == ("session_ended", [patient])
    assert event.detail is not None
    assert event.detail["occurred_at"] == moment(session_ended_at)
    assert grant_of(sql, grant).ended_at == session_ended_at


def test_one_whose_shift_ends_has_ended_with_its_handoff_time(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql, travel: Travel
) -> None:
    now = clock.now()
    nurse = ward.nurse(ward.unit(), starts_at=now - 8 * HOUR, ends_at=now + HOUR / 4)
    opened(ward, nurse, patient)
    over_at = sql.scalars(select(Session.shift_ends_at)).one()
    assert over_at is not None
    travel(46 * MINUTE)
    tidy(keeper)
    [(event, _)] = ends(sql)
    assert (event.reason, event.detail and event.detail["occurred_at"]) == (
        "session_ended",
        moment(over_at),
    )


def test_one_whose_session_nobody_knows_any_more_ends_now(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql
) -> None:
    grant = ward.grant(ward.doctor(), patient)  # as after a restored backup
    tidy(keeper)
    [(event, _)] = ends(sql)
    assert (event.reason, grant_of(sql, grant).ended_at) == ("session_ended", event.recorded_at)


def test_giving_back_what_has_run_out_or_lost_its_session_says_so(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql, travel: Travel
) -> None:
    doctor = ward.doctor()
    first = opened(ward, doctor, patient)
    _log_out(ward, doctor)
    ward.log_in_anew(doctor)
    second = opened(ward, doctor, patient)
    travel(61 * MINUTE)
    ward.log_in_anew(doctor)
    said = [ward.call(doctor, "DELETE", f"{PATH}{id}/").get_json() for id in (first, second)]
    assert [each["end_reason"] for each in said] == ["session_ended", "ran_out"]
    assert said[1]["ended_at"] == said[1]["expires_at"]
    tidy(keeper)
    told = [event for event, _ in ends(sql)]
    assert [event.reason for event in told] == ["session_ended", "ran_out"]
    really = [grant_of(sql, grant).ended_at for grant in (first, second)]
    assert [(event.detail or {})["occurred_at"] for event in told] == [
        moment(at) for at in really if at
    ]


def test_of_two_housekeepers_and_whoever_gives_back_at_once_one_notes_each_end(
    ward: Ward, app: Flask, sql: Sql, travel: Travel
) -> None:
    doctor = ward.doctor()
    grants = [opened(ward, doctor, ward.patient(f"P{n}")) for n in range(20)]
    travel(61 * MINUTE)
    now, together = clock.now(), threading.Barrier(3)
    access = ward.access(doctor)

    def keep(_: int) -> None:
        with app.app_context():
            together.wait(30)
            while note_ends(db.session(), now):
                pass

    def give_back(_: int) -> None:
        client = app.test_client()
        together.wait(30)
        for grant in grants[::-1]:
            headers = {"Authorization": f"Bearer {access}"}
            client.delete(f"{PATH}{grant}/", headers=headers)

    ward.log_in_anew(doctor)
    access = ward.access(doctor)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(keep, 0), pool.submit(keep, 1), pool.submit(give_back, 2)]:
            done.result()
    with app.app_context():
        assert not note_ends(db.session(), now)
    told = [event.detail["basis_id"] for event, _ in ends(sql) if event.detail]
    assert sorted(told) == grants
    assert {event.reason for event, _ in ends(sql)} == {"ran_out"}


def test_many_ends_are_noted_a_piece_at_a_time(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carelink_api.clinical.break_glass.ending.MOST", 2)
    doctor = ward.doctor()
    for _ in range(3):
        ward.grant(doctor, patient)
    assert keeper.round(db.session(), clock.now()).more
    assert len(ends(sql)) == 2
    assert not keeper.round(db.session(), clock.now()).more
    assert len(ends(sql)) == 3


def test_reviewers_and_the_patient_see_the_end(
    ward: Ward, keeper: Housekeeper, travel: Travel
) -> None:
    account, own = ward.self_patient(unit_id=ward.unit("ICU"))
    doctor, admin = ward.doctor(), ward.user("admin@house.example", "admin")
    opened(ward, doctor, own)
    travel(61 * MINUTE)
    tidy(keeper)
    [item] = queue(ward, admin).get_json()["items"]
    assert (item["open"], item["end_reason"]) == (False, "ran_out")
    assert item["ended_at"] == item["expires_at"]
    assert item["accesses"] == 0
    log = ward.get(account, f"{one(own)}access-log/").get_json()["items"]
    assert [each["event"] for each in log][:2] == ["break_glass:ended", "break_glass:opened"]


def test_in_fhir_it_is_an_emergency_override_stopped(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql
) -> None:
    ward.grant(ward.doctor(), patient)
    tidy(keeper)
    [(event, about)] = ends(sql)
    columns = {column.name: getattr(event, column.name) for column in AuditEvent.__table__.columns}
    told = fhir.resource(columns | {"patients": about})
    assert [coding["code"] for coding in told["subtype"]] == ["110138", "break_glass:ended"]


def test_the_end_outlives_the_sessions_row(
    ward: Ward, patient: int, keeper: Housekeeper, sql: Sql
) -> None:
    doctor = ward.doctor()
    grant = opened(ward, doctor, patient)
    _log_out(ward, doctor)
    tidy(keeper)
    ended_at = grant_of(sql, grant).ended_at
    sql.execute(delete(Session))
    sql.commit()
    tidy(keeper)
    assert grant_of(sql, grant).ended_at == ended_at
    assert len(ends(sql)) == 1
