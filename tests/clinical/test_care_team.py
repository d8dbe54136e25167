"""Care teams: who may take in whom, from when to when, and what it opens."""

from typing import Any

import pytest

from carelink_api import clock
from carelink_api.api import rfc3339
from tests.clinical.test_patients_change import refused
from tests.clinical.test_patients_read import one
from tests.clinical.ward import HOUR, Ward


def team(patient_id: int) -> str:
    return f"{one(patient_id)}care-team/"


def test_who_is_taken_in_sees_the_patient_until_it_is_ended(ward: Ward) -> None:
    patient = ward.patient()
    attending, colleague = ward.doctor(patient), ward.user("c@ward.example", "doctor")
    assert refused(ward.get(colleague, one(patient)), 403, "break_glass_available")
    body = {"user_id": colleague.id, "role": "consulting"}
    answer = ward.post(attending, team(patient), body)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    member = answer.get_json()
    assert member["user"] == {"id": colleague.id, "name": "C", "user_type": "doctor"}
    assert ward.get(colleague, one(patient)).status_code == 200
    path = f"{team(patient)}{member['id']}/"
    assert ward.get(attending, path).get_json() == member
    assert ward.post(attending, f"{path}end/").status_code == 428
    assert ward.post(attending, f"{path}end/", version=2).status_code == 412
    assert ward.post(attending, f"{path}end/", version=1).get_json()["ends_at"]
    assert refused(ward.get(colleague, one(patient)), 403, "break_glass_available")
    assert refused(ward.post(attending, f"{path}end/", version=2), 409, "has_ended")


def test_the_team_is_listed_as_it_is_now_or_ever_was(ward: Ward) -> None:
    patient, now = ward.patient(), clock.now()
    doctor = ward.doctor(patient)
    other = ward.user("o@ward.example", "doctor")
    past = ward.care(other, patient, starts_at=now - 9 * HOUR, ends_at=now - HOUR)
    future = ward.care(other, patient, starts_at=now + HOUR)

    def listed(when: str) -> list[int]:
        answer = ward.get(doctor, team(patient), query_string={"when": when}).get_json()
        assert answer["total"] == len(answer["items"])
        return [item["id"] for item in answer["items"]]

    everyone = listed("ever")
    assert (everyone[0], everyone[-1], len(everyone)) == (past, future, 3)
    assert listed("now") == everyone[1:2]


def test_nobody_is_twice_in_a_team_at_once(ward: Ward) -> None:
    patient, now = ward.patient(), clock.now()
    doctor, other = ward.doctor(patient), ward.user("o@ward.example", "doctor")
    soon, later = rfc3339(now + HOUR), rfc3339(now + 2 * HOUR)
    body = {"user_id": other.id, "role": "attending"}
    add = lambda **times: ward.post(doctor, team(patient), body | times).status_code  # noqa: E731
    assert add(starts_at=soon, ends_at=later) == 201
    assert add() == 409
    assert add(ends_at=soon) == 201
    assert add(starts_at=later) == 201


@pytest.mark.parametrize(
    ("user_type", "role"),
    [("doctor", "nurse"), ("nurse", "attending"), ("admin", "attending"), ("patient", "nurse")],
)
def test_only_doctors_and_nurses_look_after_patients_each_in_their_role(
    ward: Ward, user_type: str, role: str
) -> None:
    patient = ward.patient()
    doctor, somebody = ward.doctor(patient), ward.user("x@ward.example", user_type)
    answer = ward.post(doctor, team(patient), {"user_id": somebody.id, "role": role})
    assert answer.status_code == 422
    absent = ward.post(doctor, team(patient), {"user_id": somebody.id + 100, "role": role})
    assert absent.get_json()["errors"] == answer.get_json()["errors"]


@pytest.mark.parametrize(
    "times", [{"starts_at": -1}, {"ends_at": -1}, {"starts_at": 2, "ends_at": 1}]
)
def test_a_membership_does_not_begin_in_the_past_nor_end_before_it_begins(
    ward: Ward, times: dict[str, int]
) -> None:
    patient = ward.patient()
    doctor, now = ward.doctor(patient), clock.now()
    body: dict[str, Any] = {"user_id": doctor.id, "role": "attending"}
    body |= {name: rfc3339(now + hours * HOUR) for name, hours in times.items()}
    assert ward.post(doctor, team(patient), body).status_code == 422


def test_nobody_takes_themselves_in(ward: Ward) -> None:
    patient, stranger = ward.patient(), ward.doctor()
    body = {"user_id": stranger.id, "role": "attending"}
    hidden, absent = (ward.post(stranger, team(id), body) for id in (patient, patient + 100))
    assert hidden.status_code == absent.status_code == 404
