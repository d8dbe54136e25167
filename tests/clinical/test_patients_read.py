"""GET of patients: who sees whom, what, in what order, and what is written about it."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.models import AuditedPatient, AuditEvent
from tests.clinical.ward import HOUR, Ward

PATH = "/api/patients/"


def one(patient_id: int) -> str:
    return f"{PATH}{patient_id}/"


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.get_json()["items"]]


def events(sql: Sql, event: str) -> list[tuple[AuditEvent, list[int]]]:
    """Return these events, each with the patients it is about."""
    sql.rollback()
    found = sql.scalars(select(AuditEvent).where(AuditEvent.event == event).order_by(AuditEvent.id))
    about = select(AuditedPatient.patient_id).order_by(AuditedPatient.patient_id)
    return [
        (each, list(sql.scalars(about.where(AuditedPatient.event_id == each.id)))) for each in found
    ]


def test_a_nurse_sees_the_patients_of_the_unit_where_she_is_on_shift(ward: Ward) -> None:
    here, there = ward.unit("Ward 7"), ward.unit("ICU")
    own, other = ward.patient(unit_id=here), ward.patient(unit_id=there)
    ward.patient("Nobody's")
    nurse = ward.nurse(here)
    assert ids(ward.get(nurse, PATH)) == [own]
    assert ward.get(nurse, one(own)).status_code == 200
    assert ward.get(nurse, one(other)).get_json()["code"] == "break_glass_available"


@pytest.mark.settings(shift_bound_user_types=[])  # they could not log in
def test_a_shift_that_has_not_begun_or_is_over_or_cancelled_shows_nobody(ward: Ward) -> None:
    unit, now = ward.unit(), clock.now()
    ward.patient(unit_id=unit)
    spans = {
        "early": {"starts_at": now + HOUR / 4},
        "over": {"starts_at": now - 9 * HOUR, "ends_at": now - HOUR},
        "cancelled": {"cancelled_at": now},
    }
    for name, columns in spans.items():
        nurse = ward.nurse(unit, f"{name}@ward.example", **columns)
        assert ids(ward.get(nurse, PATH)) == [], name


def test_the_unit_sees_a_discharged_patient_for_a_day(ward: Ward) -> None:
    unit, now = ward.unit(), clock.now()
    today = ward.patient(unit_id=unit, discharged_at=now, admitted_at=now - 50 * HOUR)
    ward.patient(unit_id=unit, discharged_at=now - 25 * HOUR, admitted_at=now - 50 * HOUR)
    assert ids(ward.get(ward.nurse(unit), PATH)) == [today]


def test_a_doctor_sees_patients_by_care_team_and_by_appointment_while_they_last(ward: Ward) -> None:
    now = clock.now()
    cared, seen, held, missed = (ward.patient(name) for name in "ABCD")
    doctor = ward.doctor(cared)
    ward.appointment(doctor, seen)
    ward.appointment(doctor, held, now - 29 * 24 * HOUR, status="fulfilled")
    ward.appointment(doctor, missed, now - 6 * 24 * HOUR, status="noshow")
    for name, columns in {"ended": {"ends_at": now}, "not yet": {"starts_at": now + HOUR}}.items():
        ward.care(doctor, ward.patient(name), **columns)
    for name, starts_at, status in (
        ("long ago", now - 40 * 24 * HOUR, "fulfilled"),
        ("far ahead", now + 8 * 24 * HOUR, "booked"),
        ("cancelled", now, "cancelled"),
        ("missed a week ago", now - 7 * 24 * HOUR - HOUR, "noshow"),
    ):
        ward.appointment(doctor, ward.patient(name), starts_at, status=status)
    assert ids(ward.get(doctor, PATH)) == [cared, seen, held, missed]


def test_a_patient_sees_one_patient(ward: Ward) -> None:
    other = ward.patient()
    account, own = ward.self_patient()
    assert ids(ward.get(account, PATH)) == [own]
    assert ward.get(account, one(own)).get_json()["id"] == own
    hidden, absent = ward.get(account, one(other)), ward.get(account, one(other + 100))
    assert hidden.status_code == absent.status_code == 404
    bodies = [answer.get_json() | {"request_id": ""} for answer in (hidden, absent)]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("user_type", ["researcher", "admin", "ops"])
def test_who_has_no_patients_is_refused_and_finds_none(ward: Ward, user_type: str) -> None:
    patient, account = ward.patient(), ward.user("x@ward.example", user_type)
    assert ward.get(account, PATH).get_json()["code"] == "forbidden"
    assert {ward.get(account, one(id)).status_code for id in (patient, patient + 100)} == {404}


@pytest.mark.parametrize("user_type", ["doctor", "nurse"])
def test_to_who_may_break_the_glass_an_absent_patient_looks_like_a_closed_one(
    ward: Ward, user_type: str
) -> None:
    closed = ward.patient(unit_id=ward.unit("ICU"))
    viewer = ward.doctor() if user_type == "doctor" else ward.nurse(ward.unit())
    for rest in ("", "chart/", "notes/", "observations/latest/", "owner/"):
        answers = [ward.get(viewer, one(each) + rest) for each in (closed, closed + 100)]
        bodies = [answer.get_json() | {"request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1]
        assert bodies[0]["code"] == "break_glass_available"


def test_what_is_shown_is_this_with_the_version_as_etag(ward: Ward) -> None:
    unit = ward.unit()
    patient = ward.patient("Åsa Öberg", unit_id=unit, bed="7A", mrn="MRN-77", version=3)
    answer = ward.get(ward.nurse(unit), one(patient))
    body = answer.get_json()
    assert answer.headers["ETag"] == '"3"'
    assert body.pop("admitted_at").endswith("Z")
    assert body == {
        "id": patient,
        "mrn": "MRN-77",
        "name": "Åsa Öberg",
        "birth_date": "1950-04-01",
        "unit": {"id": unit, "name": "Ward 7"},
        "bed": "7A",
        "discharged_at": None,
    }
    [listed] = ward.get(ward.nurse(unit, "b@ward.example"), PATH).get_json()["items"]
    assert listed == answer.get_json()


def test_names_are_found_whatever_their_case_and_accents_and_mrns_by_their_beginning(
    ward: Ward,
) -> None:
    unit = ward.unit()
    asa = ward.patient("Åsa Öberg", unit_id=unit, mrn="KH-100")
    percent = ward.patient("100% Möller_x", unit_id=unit, mrn="ZZ-200")
    nurse = ward.nurse(unit)
    for q, found in {
        "asa": [asa], "ÅSA ö": [asa], "öBERG": [asa], "kh-1": [asa], "100": [percent],
        "%": [percent], "_": [percent], "ller": [percent], "nobody": [],
    }.items():  # fmt: skip
        answer = ward.get(nurse, PATH, query_string={"q": q})
        assert (ids(answer), answer.get_json()["total"]) == (found, len(found)), q


def test_filters_narrow_and_never_widen(ward: Ward) -> None:
    here, there, now = ward.unit("Ward 7"), ward.unit("ICU"), clock.now()
    inside = ward.patient("A", unit_id=here)
    gone = ward.patient("B", unit_id=here, discharged_at=now)
    ward.patient("C", unit_id=there)
    nurse = ward.nurse(here)
    for query, found in (
        ({"unit_id": here}, [inside, gone]),
        ({"unit_id": there}, []),
        ({"status": "admitted"}, [inside]),
        ({"status": "discharged"}, [gone]),
        ({"status": "outpatient"}, []),
    ):
        answer = ward.get(nurse, PATH, query_string=query)
        assert (ids(answer), answer.get_json()["total"]) == (found, len(found)), query


def test_every_order_is_stable_and_what_is_missing_comes_last(ward: Ward) -> None:
    unit, now = ward.unit(), clock.now()
    rows = [("b", "2", 3), ("ä", None, 1), ("B", "1", 2), ("C", "3", 2)]
    made = [
        ward.patient(name, unit_id=unit, bed=bed, mrn=f"M-{n}", admitted_at=now - hours * HOUR)
        for n, (name, bed, hours) in enumerate(rows)
    ]
    nurse = ward.nurse(unit)
    for sort, order in {
        "name": [1, 0, 2, 3], "-name": [3, 0, 2, 1], "mrn": [0, 1, 2, 3], "-mrn": [3, 2, 1, 0],
        "bed": [2, 0, 3, 1], "-bed": [3, 0, 2, 1], "admitted_at": [0, 2, 3, 1],
        "-admitted_at": [1, 2, 3, 0],
    }.items():  # fmt: skip
        expected = [made[n] for n in order]
        pages = [
            ids(ward.get(nurse, PATH, query_string={"sort": sort, "page": n, "page_size": 2}))
            for n in (1, 2, 3)
        ]
        assert pages == [expected[:2], expected[2:], []], sort


@pytest.mark.parametrize(
    ("field", "value"),
    [("unit_id", "0"), ("unit_id", "x"), ("unit_id", "9" * 10), ("status", "gone"), ("q", ""),
     ("q", "a\x00"), ("sort", "birth_date"), ("sort", "--name"), ("page", "0")],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(ward: Ward, field: str, value: str) -> None:
    answer = ward.get(ward.doctor(), PATH, query_string={field: value})
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [field]


@pytest.mark.parametrize("id", ["0", "01", "-1", "1.0", "x", "9999999999", "٣"])
def test_what_can_be_no_id_is_found_nowhere(ward: Ward, id: str) -> None:
    assert ward.get(ward.doctor(), f"{PATH}{id}/").status_code == 404


def test_a_read_is_audited_once_with_the_patient_and_the_basis(ward: Ward, sql: Sql) -> None:
    unit = ward.unit()
    patient, nurse = ward.patient(unit_id=unit), ward.nurse(unit)
    answer = ward.get(nurse, one(patient))
    [(event, about)] = events(sql, "patient:read")
    assert (event.outcome, event.actor, about) == ("success", f"user:{nurse.id}", [patient])
    assert event.detail == {"basis": "unit", "basis_id": unit}
    assert event.route == "/api/patients/<id:patient_id>/"
    assert event.request_id == answer.headers["X-Request-ID"]


def test_a_refused_read_is_audited_once_with_the_patient(ward: Ward, sql: Sql) -> None:
    patient, doctor = ward.patient(), ward.doctor()
    ward.get(doctor, one(patient))
    ward.get(doctor, one(patient + 100))
    (refused, about), (absent, nobody) = events(sql, "patient:read")
    assert (refused.outcome, refused.reason) == ("refused", "break_glass_available")
    assert about == [patient]
    assert (absent.outcome, absent.reason, nobody) == ("refused", refused.reason, [])
    assert absent.detail == {"asked_for": patient + 100}


def test_a_list_is_audited_once_with_everyone_it_showed_and_nothing_that_was_typed(
    ward: Ward, sql: Sql
) -> None:
    unit = ward.unit()
    shown = [ward.patient(name, unit_id=unit) for name in ("Ada", "Ada")]
    ward.patient("Bob", unit_id=unit)
    ward.get(ward.nurse(unit), PATH, query_string={"q": "ada", "status": "admitted"})
    [(event, about)] = events(sql, "patients:listed")
    assert about == shown
    assert event.detail == {"asked": ["q", "status"]}
