"""Vital signs: recorded, read, shown as a trend, and marked when they were wrong."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api.clinical.observations.codes import VITAL_SIGNS, fault
from carelink_api.clinical.record_models import Observation
from tests.auth_helper import Account
from tests.clinical.vital_signs import PULSE, WARMTH, ago, listed, mark, path, reading, record
from tests.clinical.ward import Ward


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
