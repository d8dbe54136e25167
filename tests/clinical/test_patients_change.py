"""Opening, changing, admitting and discharging: who may, what follows, and no silent overwrite."""

from typing import Any

import pytest
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.models import CareTeamMember
from tests.clinical.test_patients_read import PATH, events, one
from tests.clinical.ward import HOUR, Ward

NEW = {"mrn": "KH-1234", "name": "Åsa  Öberg", "birth_date": "1950-04-01"}


def refused(answer: Any, status: int, code: str) -> bool:
    return (answer.status_code, answer.get_json()["code"]) == (status, code)


def test_a_nurse_admits_to_the_unit_where_she_is_on_shift_and_nowhere_else(ward: Ward) -> None:
    here, there = ward.unit("Ward 7"), ward.unit("ICU")
    nurse = ward.nurse(here)
    answer = ward.post(nurse, PATH, NEW | {"unit_id": here, "bed": "3"})
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    made = answer.get_json()
    assert (made["name"], made["unit"]["id"], made["bed"]) == ("Åsa Öberg", here, "3")
    assert made["admitted_at"]
    assert ward.get(nurse, one(made["id"])).get_json() == made
    for elsewhere in (there, there + 100, None):
        body = NEW | {"mrn": "KH-2", "unit_id": elsewhere}
        assert refused(ward.post(nurse, PATH, body), 403, "forbidden")


def test_in_handoff_time_no_new_chart_is_opened(ward: Ward, sql: Sql) -> None:
    unit, now = ward.unit(), clock.now()
    patient = ward.patient(unit_id=unit)
    nurse = ward.nurse(unit, ends_at=now - HOUR / 6)
    assert ward.get(nurse, one(patient)).status_code == 200
    assert ward.patch(nurse, one(patient), {"bed": "9"}, version=1).status_code == 200
    assert refused(ward.post(nurse, PATH, NEW | {"unit_id": unit}), 403, "in_handoff")
    discharge = ward.post(nurse, f"{one(patient)}discharge/", version=2)
    assert refused(discharge, 403, "in_handoff")
    assert [event.reason for event, _ in events(sql, "patient:created")] == ["in_handoff"]


def test_a_doctor_looks_after_whom_they_admit(ward: Ward) -> None:
    doctor = ward.doctor()
    made = ward.post(doctor, PATH, NEW).get_json()
    assert made["unit"] is None
    assert made["admitted_at"] is None
    assert ward.get(doctor, one(made["id"])).status_code == 200


@pytest.mark.parametrize("user_type", ["patient", "researcher", "admin", "ops"])
def test_nobody_else_opens_a_record(ward: Ward, user_type: str) -> None:
    somebody = ward.user("x@home.example", user_type)
    assert refused(ward.post(somebody, PATH, NEW | {"unit_id": ward.unit()}), 403, "forbidden")


def test_no_mrn_and_no_bed_is_given_twice(ward: Ward) -> None:
    unit, doctor = ward.unit(), ward.doctor()
    place = {"unit_id": unit, "bed": "3"}
    made = ward.post(doctor, PATH, NEW | place).get_json()
    assert refused(ward.post(doctor, PATH, NEW), 409, "mrn_taken")
    other = NEW | {"mrn": "KH-2"}
    assert refused(ward.post(doctor, PATH, other | place), 409, "bed_taken")
    assert ward.post(doctor, f"{one(made['id'])}discharge/", version=1).status_code == 200
    assert ward.post(doctor, PATH, other | place).status_code == 201
    assert refused(
        ward.post(doctor, f"{one(made['id'])}admit/", place, version=2), 409, "bed_taken"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("mrn", "kh-1"), ("mrn", "KH"), ("mrn", "KH-1\n"), ("mrn", "KH-" + "1" * 20), ("name", " "),
     ("name", ""), ("name", "a\x00"), ("birth_date", "1950-02-30"), ("birth_date", 1950),
     ("birth_date", "01.04.1950"), ("unit_id", "1"), ("unit_id", 0), ("unit_id", True),
     ("unit_id", 1.5), ("unit_id", 999_999_999), ("bed", "3"), ("version", 7), ("user_id", 1),
     ("admitted_at", "2026-01-01T00:00:00Z"), ("id", 1)],
)  # fmt: skip
def test_what_makes_no_sense_or_is_not_for_the_client_to_say_is_refused(
    ward: Ward, field: str, value: Any
) -> None:
    answer = ward.post(ward.doctor(), PATH, NEW | {field: value})
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [field]


def test_a_change_names_its_version_and_a_stale_one_overwrites_nothing(ward: Ward) -> None:
    patient = ward.patient()
    doctor = ward.doctor(patient)
    assert ward.patch(doctor, one(patient), {"name": "A"}).status_code == 428
    first = ward.patch(doctor, one(patient), {"name": "First"}, version=1)
    assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
    stale = ward.patch(doctor, one(patient), {"name": "Second"}, version=1)
    assert refused(stale, 412, "precondition_failed")
    assert ward.get(doctor, one(patient)).get_json()["name"] == "First"


def test_a_change_is_audited_by_its_fields_and_a_refused_one_too(ward: Ward, sql: Sql) -> None:
    patient = ward.patient()
    doctor = ward.doctor(patient)
    ward.patch(doctor, one(patient), {"name": "New", "birth_date": None}, version=1)
    ward.patch(doctor, one(patient), {"name": "Stale"}, version=1)
    (done, about), (stale, about_stale) = events(sql, "patient:changed")
    assert about == about_stale == [patient]
    assert done.detail is not None
    assert done.detail["fields"] == ["birth_date", "name"]
    assert (stale.outcome, stale.reason) == ("refused", "precondition_failed")


def test_a_transfer_leaves_the_bed_and_takes_the_record_along(ward: Ward) -> None:
    here, there = ward.unit("Ward 7"), ward.unit("ICU")
    patient = ward.patient(unit_id=here, bed="3")
    nurse, other = ward.nurse(here), ward.nurse(there, "icu@ward.example")
    moved = ward.patch(nurse, one(patient), {"unit_id": there}, version=1).get_json()
    assert (moved["unit"]["name"], moved["bed"]) == ("ICU", None)
    assert ward.get(nurse, one(patient)).status_code == 403
    assert ward.get(other, one(patient)).status_code == 200


def test_only_a_present_stay_has_a_place_and_an_end(ward: Ward) -> None:
    unit, patient = ward.unit(), ward.patient()
    doctor = ward.doctor(patient)
    assert refused(ward.patch(doctor, one(patient), {"bed": "1"}, version=1), 409, "not_admitted")
    assert refused(ward.post(doctor, f"{one(patient)}discharge/", version=1), 409, "not_admitted")
    admit = f"{one(patient)}admit/"
    assert ward.post(doctor, admit, {"unit_id": unit}, version=1).status_code == 200
    assert refused(ward.post(doctor, admit, {"unit_id": unit}, version=2), 409, "already_admitted")


def test_a_discharge_ends_the_care_team_its_nurses_first(ward: Ward, sql: Sql) -> None:
    unit, now = ward.unit(), clock.now()
    patient = ward.patient(unit_id=unit, bed="3")
    doctor, nurse = ward.doctor(patient), ward.nurse(unit)
    later = ward.doctor(email="later@ward.example")
    rows = {
        "nurse": ward.care(nurse, patient, role="nurse"),
        "later": ward.care(later, patient, starts_at=now + HOUR),
    }
    gone = ward.post(doctor, f"{one(patient)}discharge/", version=1).get_json()
    assert gone["discharged_at"]
    assert gone["bed"] == "3"
    ends = {name: sql.get_one(CareTeamMember, id) for name, id in rows.items()}
    assert ends["nurse"].ends_at is not None
    assert ends["nurse"].ends_at <= clock.now()
    assert ends["later"].ends_at == ends["later"].starts_at
    assert ward.get(doctor, one(patient)).status_code == 200


def test_a_patient_may_read_the_own_record_and_not_write_it(ward: Ward) -> None:
    account, own = ward.self_patient()
    assert refused(ward.patch(account, one(own), {"name": "X"}, version=1), 403, "forbidden")


def test_the_access_log_tells_the_patient_who_looked_when_and_why(ward: Ward) -> None:
    unit = ward.unit()
    account, own = ward.self_patient(unit_id=unit)
    nurse, stranger = ward.nurse(unit), ward.doctor()
    ward.get(nurse, one(own))
    ward.get(nurse, PATH)
    ward.get(stranger, one(own))
    log = ward.get(account, f"{one(own)}access-log/").get_json()
    seen = [(i["event"], i["outcome"], i["user"]["name"], i["basis"]) for i in log["items"]]
    assert seen == [
        ("patient:read", "refused", "Doctor", None),
        ("patients:listed", "success", "Nurse", None),
        ("patient:read", "success", "Nurse", "unit"),
    ]
    assert log["total"] == 3
    [mine] = ward.get(account, f"{one(own)}access-log/?page_size=1").get_json()["items"]
    assert (mine["event"], mine["basis"]) == ("access_log:read", "self")
    assert refused(ward.get(nurse, f"{one(own)}access-log/"), 403, "forbidden")


def test_the_access_log_names_no_other_patient(ward: Ward) -> None:
    account, own = ward.self_patient()
    other = ward.user("cleo@home.example", "patient", name="Cleo Marsh")
    assert refused(ward.get(other, one(own)), 404, "not_found")
    [attempt] = ward.get(account, f"{one(own)}access-log/").get_json()["items"]
    assert (attempt["event"], attempt["outcome"], attempt["user"]) == (
        "patient:read",
        "refused",
        None,
    )
    [mine, _] = ward.get(account, f"{one(own)}access-log/").get_json()["items"]
    assert mine["user"]["id"] == account.id
