"""What becomes of an appointment: it took place, nobody came, or it was cancelled."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.appointments.rules import (
    UNDONE_WITHIN,
    Refusal,
    Status,
    refusal,
    refusal_to_undo,
)
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.test_booking import PATH, one
from tests.clinical.test_patients_change import refused
from tests.clinical.test_patients_read import events
from tests.clinical.ward import HOUR, Ward

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = 24 * HOUR
CLOSED = [("fulfil", "fulfilled", "fulfilled"), ("no-show", "noshow", "missed")]
"""The route's last word, what an appointment becomes by it, and the event."""
closing = pytest.mark.parametrize(("word", "status", "event"), CLOSED)


def test_a_booked_one_becomes_anything_from_its_start_on_and_stays_that() -> None:
    for wanted in Status:
        assert refusal("booked", wanted, starts_at=NOON, now=NOON) is None
        early = refusal("booked", wanted, starts_at=NOON, now=NOON - SECOND)
        seen_only_then = wanted in (Status.FULFILLED, Status.NOSHOW)
        assert early is (Refusal.NOT_BEGUN if seen_only_then else None)
    for was, wanted in product(set(Status) - {Status.BOOKED}, Status):
        assert refusal(was, wanted, starts_at=NOON, now=NOON) is Refusal.NOT_BOOKED


@closing
def test_its_doctor_says_what_became_of_it_once(
    ward: Ward, sql: Sql, word: str, status: str, event: str
) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    made = ward.appointment(doctor, patient, clock.now())
    answer = ward.post(doctor, f"{one(made)}{word}/", version=1)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert answer.get_json()["status"] == status
    assert ward.get(doctor, one(made)).get_json()["status"] == status
    for other in ("fulfil", "no-show", "cancel"):
        assert refused(ward.post(doctor, f"{one(made)}{other}/", version=2), 409, "not_booked")
    assert refused(
        ward.patch(doctor, one(made), {"description": "X"}, version=2), 409, "not_booked"
    )
    (first, about), *_ = events(sql, f"appointment:{event}")
    assert (first.outcome, about) == ("success", [patient])
    assert first.detail is not None
    assert (first.detail["basis"], first.detail["basis_id"]) == ("appointment", made)


@SQLITE
@closing
def test_before_its_start_nobody_knows(ward: Ward, word: str, status: str, event: str) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    made = ward.appointment(doctor, patient, clock.now() + HOUR / 60)
    assert refused(ward.post(doctor, f"{one(made)}{word}/", version=1), 409, "not_begun")
    assert ward.get(doctor, one(made)).headers["ETag"] == '"1"'


@SQLITE
@closing
def test_who_writes_in_the_record_says_so_and_the_patient_does_not(
    ward: Ward, word: str, status: str, event: str
) -> None:
    unit = ward.unit()
    account, own = ward.self_patient(unit_id=unit)
    may = [
        ward.nurse(unit),
        ward.nurse(unit, "leaving@ward.example", ends_at=clock.now() - HOUR / 6),
        ward.doctor(own, email="hers@ward.example"),
    ]
    theirs = ward.user("seen@ward.example", "doctor")
    made = [ward.appointment(theirs, own, clock.now() - hours * HOUR) for hours in (1, 2, 3)]
    for somebody, each in zip(may, made, strict=True):
        path = f"{one(each)}{word}/"
        assert refused(ward.post(account, path, version=1), 403, "forbidden")
        assert ward.post(somebody, path, version=1).get_json()["status"] == status


@SQLITE
@closing
def test_who_has_no_tie_learns_nothing_of_it(
    ward: Ward, word: str, status: str, event: str
) -> None:
    theirs = ward.appointment(ward.doctor(), ward.patient(), clock.now())
    for somebody in (ward.nurse(ward.unit()), ward.user("d@ward.example", "doctor")):
        for each in (theirs, 999):
            path = f"{one(each)}{word}/"
            assert refused(ward.post(somebody, path, version=1), 404, "not_found")


@SQLITE
@closing
def test_a_stale_or_missing_version_changes_nothing(
    ward: Ward, word: str, status: str, event: str
) -> None:
    doctor = ward.doctor()
    made = ward.appointment(doctor, ward.patient(), clock.now(), version=3)
    assert refused(ward.post(doctor, f"{one(made)}{word}/"), 428, "precondition_required")
    assert refused(ward.post(doctor, f"{one(made)}{word}/", version=2), 412, "precondition_failed")
    assert ward.get(doctor, one(made)).get_json()["status"] == "booked"


@SQLITE
@pytest.mark.parametrize(("days", "status"), [(29, 200), (31, 403)])
def test_its_doctor_says_so_while_it_opens_the_record(ward: Ward, days: int, status: int) -> None:
    doctor = ward.doctor()
    made = ward.appointment(doctor, ward.patient(), clock.now() - days * DAY)
    assert ward.post(doctor, f"{one(made)}fulfil/", version=1).status_code == status


@SQLITE
@pytest.mark.parametrize(
    ("status", "days", "opens"),
    [("fulfilled", 29, True), ("fulfilled", 31, False),
     ("noshow", 6, True), ("noshow", 8, False), ("cancelled", 0, False)],
)  # fmt: skip
def test_what_became_of_it_says_how_long_it_opens_the_record(
    ward: Ward, status: str, days: int, opens: bool
) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    ward.appointment(doctor, patient, clock.now() - days * DAY, status=status)
    seen = ward.get(doctor, f"/api/patients/{patient}/").status_code
    assert seen == (200 if opens else 403)


@SQLITE
@closing
def test_the_doctor_s_time_is_free_again_only_where_nobody_came(
    ward: Ward, word: str, status: str, event: str
) -> None:
    doctor, (account, own) = ward.doctor(), ward.self_patient()
    now = clock.now()
    made = ward.appointment(doctor, own, now, ends_at=now + 2 * HOUR)
    ward.post(doctor, f"{one(made)}{word}/", version=1)
    body = booking(doctor, own, now + HOUR)
    answer = ward.post(account, PATH, body)
    assert answer.status_code == (201 if status == "noshow" else 409)


def booking(doctor: Account, patient_id: int, starts_at: datetime) -> dict[str, object]:
    times = {"starts_at": starts_at.isoformat(), "ends_at": (starts_at + HOUR / 2).isoformat()}
    return {"doctor_id": doctor.id, "patient_id": patient_id, "description": "Check"} | times


def test_what_was_held_or_missed_is_undone_within_a_week_and_nothing_else() -> None:
    last = NOON + UNDONE_WITHIN - SECOND
    for status in Status:
        closed = status in (Status.FULFILLED, Status.NOSHOW)
        assert refusal_to_undo(status, ends_at=NOON, now=last) is (
            None if closed else Refusal.NOT_CLOSED
        )
    late = refusal_to_undo("noshow", ends_at=NOON, now=last + SECOND)
    assert late is Refusal.TOO_LATE


@closing
def test_a_mistake_is_undone_with_its_reason_and_decided_anew(
    ward: Ward, sql: Sql, word: str, status: str, event: str
) -> None:
    unit = ward.unit()
    nurse, patient = ward.nurse(unit), ward.patient(unit_id=unit)
    doctor = ward.user("seen@ward.example", "doctor")
    made = ward.appointment(doctor, patient, clock.now() - HOUR, status=status)
    path = f"{one(made)}reopen/"
    assert ward.post(nurse, path, {"reason_code": "nonsense"}, version=1).status_code == 422
    assert ward.post(nurse, path, {"reason_code": "came_late"}, version=9).status_code == 412
    answer = ward.post(nurse, path, {"reason_code": "came_late"}, version=1)
    assert (answer.get_json()["status"], answer.headers["ETag"]) == ("booked", '"2"')
    (found, about) = events(sql, "appointment:reopened")[-1]
    assert (found.outcome, about) == ("success", [patient])
    assert found.detail is not None
    assert (found.detail["reason_code"], found.detail["before"]) == ("came_late", status)
    again = ward.post(nurse, path, {"reason_code": "came_late"}, version=2)
    assert refused(again, 409, "not_closed")
    assert ward.post(nurse, f"{one(made)}fulfil/", version=2).get_json()["status"] == "fulfilled"


@SQLITE
def test_one_that_was_missed_is_not_undone_where_its_time_has_been_given_away(ward: Ward) -> None:
    unit = ward.unit()
    nurse, doctor = ward.nurse(unit), ward.user("seen@ward.example", "doctor")
    at = clock.now() - HOUR
    made = ward.appointment(doctor, ward.patient(unit_id=unit), at, status="noshow")
    ward.appointment(doctor, ward.patient(mrn="NEXT-1"), at)
    answer = ward.post(nurse, f"{one(made)}reopen/", {"reason_code": "came_late"}, version=1)
    assert refused(answer, 409, "double_booked")


@SQLITE
def test_a_patient_undoes_nothing(ward: Ward) -> None:
    account, own = ward.self_patient()
    made = ward.appointment(ward.doctor(), own, clock.now() - HOUR, status="noshow")
    answer = ward.post(account, f"{one(made)}reopen/", {"reason_code": "came_late"}, version=1)
    assert refused(answer, 403, "forbidden")
