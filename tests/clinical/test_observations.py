"""Vital signs: recorded, read, shown as a trend, and marked when they were wrong."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.observations.codes import VITAL_SIGNS, fault
from carelink_api.clinical.record_models import Observation
from carelink_api.extensions import db
from tests.auth_helper import Account
from tests.clinical.trail import accesses, latest_detail
from tests.clinical.ward import HOUR, Ward
from tests.sessions.helpers import statements

PULSE, WARMTH = "8867-4", "8310-5"


def path(patient_id: int, *rest: object) -> str:
    return f"/api/patients/{patient_id}/observations/" + "".join(f"{part}/" for part in rest)


def reading(code: str = PULSE, value: float = 80, **more: Any) -> dict[str, Any]:
    return {"code": code, "value": value} | more


def record(ward: Ward, account: Account, patient_id: int, *items: dict[str, Any]) -> list[int]:
    answer = ward.post(account, path(patient_id), {"items": items or [reading()]})
    assert answer.status_code == 201, answer.text
    return [item["id"] for item in answer.get_json()["items"]]


def ago(hours: float) -> str:
    return (clock.now() - hours * HOUR).isoformat()


def listed(ward: Ward, account: Account, patient_id: int, **query: Any) -> list[int]:
    answer = ward.get(account, path(patient_id), query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.get_json()["items"]]


@pytest.fixture
def nurse(ward: Ward) -> Account:
    return ward.nurse(ward.unit())


@pytest.fixture
def patient(ward: Ward) -> int:
    return ward.patient(unit_id=ward.unit())


def test_a_round_is_recorded_whole_and_shown_as_it_was_measured(
    ward: Ward, nurse: Account, patient: int
) -> None:
    items = [reading(), reading(WARMTH, 38.249, effective_at="2026-03-01T08:00:00+01:00")]
    answer = ward.post(nurse, path(patient), {"items": items})
    assert answer.status_code == 201
    first, second = answer.get_json()["items"]
    assert first.pop("id") < second.pop("id")
    assert first["effective_at"] == first["recorded_at"] == second.pop("recorded_at")
    assert second == {
        "patient_id": patient,
        "code": WARMTH,
        "name": "Body temperature",
        "value": 38.25,
        "unit": "Cel",
        "effective_at": "2026-03-01T07:00:00Z",
        "recorded_by": {"id": nurse.id, "name": "Nurse"},
        "status": "final",
        "marked_at": None,
        "marked_by": None,
        "marked_because": None,
    }


@pytest.mark.parametrize("sign", VITAL_SIGNS.values(), ids=lambda sign: sign.name)
def test_what_cannot_be_in_a_living_patient_is_refused(sign: Any) -> None:
    assert fault(sign.code, sign.minimum) is fault(sign.code, sign.maximum) is None
    for value in (sign.minimum - 0.01, sign.maximum + 0.01):
        assert sign.unit in str(fault(sign.code, value))


@pytest.mark.parametrize(
    "wrong",
    [
        reading(value=500), reading(value="80"), reading(value=True), reading(value=None),
        reading(value=1e308), reading("0000-0"), reading(unit="/min"), {"code": PULSE},
        reading(effective_at="2026-02-30T00:00:00Z"), reading(effective_at="2026-02-20T00:00:00"),
        reading(effective_at="2099-01-01T00:00:00Z"),
    ],
    ids=str,
)  # fmt: skip
def test_one_wrong_reading_keeps_the_whole_round_out(
    ward: Ward, nurse: Account, patient: int, sql: Sql, wrong: dict[str, Any]
) -> None:
    answer = ward.post(nurse, path(patient), {"items": [reading(), wrong]})
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]["items"]) == ["1"]
    assert sql.scalar(select(func.count()).select_from(Observation)) == 0


@pytest.mark.parametrize("items", [[], [reading()] * 51, None, reading()])
def test_a_round_has_one_to_fifty_readings(
    ward: Ward, nurse: Account, patient: int, items: Any
) -> None:
    assert ward.post(nurse, path(patient), {"items": items}).status_code == 422


def test_the_latest_measured_comes_first_and_filters_narrow(
    ward: Ward, nurse: Account, patient: int
) -> None:
    old, new, warm = record(
        ward, nurse, patient,
        reading(effective_at=ago(5)), reading(effective_at=ago(1)),
        reading(WARMTH, 37, effective_at=ago(1)),
    )  # fmt: skip
    record(ward, nurse, ward.patient(unit_id=ward.unit()))
    assert listed(ward, nurse, patient) == [warm, new, old]
    assert listed(ward, nurse, patient, code=PULSE) == [new, old]
    assert listed(ward, nurse, patient, since=ago(2)) == [warm, new]
    assert listed(ward, nurse, patient, until=ago(2)) == [old]
    assert listed(ward, nurse, patient, since=ago(6), until=ago(2), code=WARMTH) == []
    pages = [listed(ward, nurse, patient, page=n, page_size=2) for n in (1, 2, 3)]
    assert pages == [[warm, new], [old], []]


def test_the_latest_of_each_code_leaves_out_what_was_wrong(
    ward: Ward, nurse: Account, patient: int
) -> None:
    old, newest, warm = record(
        ward, nurse, patient,
        reading(effective_at=ago(5)), reading(), reading(WARMTH, 37, effective_at=ago(9)),
    )  # fmt: skip

    def latest() -> list[int]:
        answer = ward.get(nurse, path(patient, "latest"))
        return [item["id"] for item in answer.get_json()["items"]]

    assert latest() == [warm, newest]
    mark(ward, nurse, patient, newest)
    assert latest() == [warm, old]


def test_a_trend_sums_up_its_span_and_leaves_out_what_was_wrong(
    ward: Ward, nurse: Account, patient: int
) -> None:
    made = record(
        ward, nurse, patient,
        *(reading(value=value, effective_at=ago(hours))
          for value, hours in ((70, 26), (81, 3), (60, 2), (300, 1))),
    )  # fmt: skip
    mark(ward, nurse, patient, made[3])
    body = ward.get(nurse, path(patient, "trend"), query_string={"code": PULSE}).get_json()
    assert [(point["id"], point["value"]) for point in body.pop("points")] == [
        (made[1], 81), (made[2], 60),
    ]  # fmt: skip
    since, until = (datetime.fromisoformat(body.pop(name)) for name in ("since", "until"))
    assert until - since == timedelta(hours=24)
    assert body == {
        "code": PULSE, "name": "Heart rate", "unit": "/min",
        "count": 2, "minimum": 60, "maximum": 81, "mean": 70.5,
    }  # fmt: skip
    query = {"code": PULSE, "hours": 2, "until": ago(25)}
    earlier = ward.get(nurse, path(patient, "trend"), query_string=query).get_json()
    assert [point["id"] for point in earlier["points"]] == [made[0]]


def test_a_trend_without_points_has_no_figures(ward: Ward, nurse: Account, patient: int) -> None:
    body = ward.get(nurse, path(patient, "trend"), query_string={"code": PULSE}).get_json()
    assert (body["count"], body["points"]) == (0, [])
    assert body["minimum"] is body["maximum"] is body["mean"] is None


@pytest.mark.parametrize(
    ("rest", "query"),
    [
        ("trend", {}), ("trend", {"code": "1"}), ("trend", {"code": PULSE, "hours": 745}),
        ("trend", {"code": PULSE, "hours": 0}), ("trend", {"code": PULSE, "until": "now"}),
        ("", {"code": "x"}), ("", {"status": "wrong"}), ("", {"since": "2026-03-01"}),
        ("", {"page_size": 201}),
    ],
    ids=str,
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(
    ward: Ward, nurse: Account, patient: int, rest: str, query: dict[str, Any]
) -> None:
    there = path(patient, rest) if rest else path(patient)
    assert ward.get(nurse, there, query_string=query).status_code == 422


def mark(ward: Ward, account: Account, patient_id: int, id: int, version: int | None = 1) -> Any:
    body = {"because": "Wrong patient"}
    return ward.post(account, path(patient_id, id, "entered-in-error"), body, version=version)


def test_a_wrong_one_is_marked_by_a_new_version_and_stays_as_it_was(
    ward: Ward, nurse: Account, patient: int
) -> None:
    [made] = record(ward, nurse, patient)
    before = ward.get(nurse, path(patient, made))
    answer = mark(ward, nurse, patient, made)
    assert (before.headers["ETag"], answer.headers["ETag"]) == ('"1"', '"2"')
    body = answer.get_json()
    assert body == ward.get(nurse, path(patient, made)).get_json()
    assert body.pop("marked_at")
    assert body == {
        name: value for name, value in before.get_json().items() if name != "marked_at"
    } | {
        "status": "entered-in-error",
        "marked_by": {"id": nurse.id, "name": "Nurse"},
        "marked_because": "Wrong patient",
    }
    assert listed(ward, nurse, patient) == [made]
    assert listed(ward, nurse, patient, status="final") == []


def test_marking_names_the_version_that_was_seen(ward: Ward, nurse: Account, patient: int) -> None:
    [made] = record(ward, nurse, patient)
    assert mark(ward, nurse, patient, made, version=None).status_code == 428
    assert mark(ward, nurse, patient, made, version=2).status_code == 412
    assert mark(ward, nurse, patient, made).status_code == 200
    assert mark(ward, nurse, patient, made).status_code == 412
    again = mark(ward, nurse, patient, made, version=2)
    assert (again.status_code, again.get_json()["code"]) == (409, "already_in_error")
    assert ward.get(nurse, path(patient, made)).headers["ETag"] == '"2"'


def test_another_patients_observation_is_not_found_under_a_patient_of_ones_own(
    ward: Ward, nurse: Account, patient: int
) -> None:
    other = ward.patient(unit_id=ward.unit("ICU"))
    [theirs] = record(ward, ward.doctor(other), other)
    for answer in (
        ward.get(nurse, path(patient, theirs)), mark(ward, nurse, patient, theirs),
        ward.get(nurse, path(patient, theirs + 100)),
    ):  # fmt: skip
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    for answer in (
        ward.get(nurse, path(other, theirs)), mark(ward, nurse, other, theirs),
        ward.get(nurse, path(other)), ward.get(nurse, path(other, "latest")),
        ward.get(nurse, path(other, "trend"), query_string={"code": PULSE}),
        ward.post(nurse, path(other), {"items": [reading()]}),
    ):  # fmt: skip
        assert (answer.status_code, answer.get_json()["code"]) == (403, "break_glass_available")


def test_a_patient_reads_and_writes_nothing(ward: Ward, nurse: Account) -> None:
    account, own = ward.self_patient(unit_id=ward.unit())
    [made] = record(ward, nurse, own)
    assert listed(ward, account, own) == [made]
    answers = [
        ward.post(account, path(own), {"items": [reading()]}),
        mark(ward, account, own, made),
    ]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in answers] == [
        (403, "forbidden"), (403, "forbidden"),
    ]  # fmt: skip


@pytest.mark.parametrize("user_type", ["researcher", "admin", "ops"])
def test_who_has_no_patients_finds_nothing(
    ward: Ward, nurse: Account, patient: int, user_type: str
) -> None:
    account, [made] = ward.user("x@ward.example", user_type), record(ward, nurse, patient)
    answers = [
        ward.get(account, path(patient)), ward.get(account, path(patient, made)),
        ward.get(account, path(patient, "latest")), mark(ward, account, patient, made),
        ward.get(account, path(patient, "trend"), query_string={"code": PULSE}),
        ward.post(account, path(patient), {"items": [reading()]}),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {404}


def test_in_handoff_time_a_nurse_still_records_and_corrects(ward: Ward, patient: int) -> None:
    now = clock.now()
    nurse = ward.nurse(
        ward.unit(), "late@ward.example", starts_at=now - 8 * HOUR, ends_at=now - HOUR / 12
    )
    [made] = record(ward, nurse, patient)
    assert mark(ward, nurse, patient, made).status_code == 200


def test_every_access_is_audited_once_and_without_what_was_measured(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    [made] = record(ward, nurse, patient, reading(value=123))
    assert latest_detail(sql)["observation_ids"] == [made]
    listed(ward, nurse, patient, code=PULSE)
    ward.get(nurse, path(patient, "latest"))
    ward.get(nurse, path(patient, "trend"), query_string={"code": PULSE})
    ward.get(nurse, path(patient, made))
    mark(ward, nurse, patient, made)
    assert set(latest_detail(sql)) == {"basis", "basis_id", "observation_id"}
    ward.get(nurse, path(patient, made + 1))
    mark(ward, nurse, patient, made)
    ward.post(nurse, path(patient), {"items": [reading(effective_at="2099-01-01T00:00:00Z")]})
    ok, no = ("success", None, [patient]), ("refused", "not_found", [patient])
    assert accesses(sql) == [
        ("observations:recorded", *ok), *[("observations:listed", *ok)] * 3,
        ("observation:read", *ok), ("observation:entered_in_error", *ok),
        ("observation:read", *no),
        ("observation:entered_in_error", "refused", "precondition_failed", [patient]),
        ("observations:recorded", "refused", "validation_failed", [patient]),
    ]  # fmt: skip


def test_the_number_of_statements_does_not_grow_with_the_record(
    app: Flask, ward: Ward, nurse: Account, patient: int
) -> None:
    record(ward, nurse, patient)
    with app.app_context():
        engine = db.engine

    def counted() -> list[int]:
        counts = []
        for there, query in (("", {}), ("latest", {}), ("trend", {"code": PULSE})):
            with statements(engine) as seen:
                ward.get(nurse, path(patient, there) if there else path(patient),
                         query_string=query)  # fmt: skip
            counts.append(len(seen))
        with statements(engine) as seen:
            record(ward, nurse, patient, *[reading()] * 40)
        return [*counts, len(seen)]

    few, many = counted(), counted()
    assert few == many
    assert max(few) <= 7  # roster, chart, what is asked in one or two, the event and its patient
