"""Clinical notes: signed when written, amended by one more version, never overwritten."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.extensions import db
from tests.auth_helper import Account
from tests.clinical.trail import accesses, latest_detail
from tests.clinical.ward import HOUR, Ward
from tests.sessions.helpers import statements

TEXT = "Slept well.\n\tNo pain – „gut“"


def path(patient_id: int, *rest: object) -> str:
    return f"/api/patients/{patient_id}/notes/" + "".join(f"{part}/" for part in rest)


def write(ward: Ward, account: Account, patient_id: int, **parts: Any) -> Any:
    return ward.post(account, path(patient_id), {"category": "nursing", "text": TEXT} | parts)


def written(ward: Ward, account: Account, patient_id: int, **parts: Any) -> int:
    answer = write(ward, account, patient_id, **parts)
    assert answer.status_code == 201, answer.text
    made: int = answer.get_json()["id"]
    return made


def amend(
    ward: Ward,
    account: Account,
    patient_id: int,
    note_id: int,
    version: int | None = 1,
    **more: Any,
) -> Any:
    body = {"text": "Slept badly", "because": "Asked again"} | more
    return ward.post(account, path(patient_id, note_id, "amend"), body, version=version)


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def test_who_writes_a_note_signs_it(ward: Ward, nurse: Account, patient: int) -> None:
    answer = write(ward, nurse, patient)
    body = answer.get_json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert body == ward.get(nurse, path(patient, body["id"])).get_json()
    assert body.pop("id")
    assert body.pop("created_at") == body.pop("signed_at")
    assert body == {
        "patient_id": patient,
        "category": "nursing",
        "number": 1,
        "text": TEXT,
        "because": None,
        "signed_by": {"id": nurse.id, "name": "Nurse"},
    }


def test_an_amended_note_keeps_every_version_readable(
    ward: Ward, nurse: Account, patient: int
) -> None:
    made = written(ward, nurse, patient)
    first = ward.get(nurse, path(patient, made)).get_json()
    answer = amend(ward, nurse, patient, made)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    second = answer.get_json()
    assert second == ward.get(nurse, path(patient, made)).get_json()
    shown = (second["number"], second["text"], second["because"])
    assert shown == (2, "Slept badly", "Asked again")
    third = amend(ward, nurse, patient, made, version=2, text="Slept").get_json()
    versions = ward.get(nurse, path(patient, made, "versions")).get_json()
    assert (versions["items"], versions["total"]) == ([third, second, first], 3)
    query = {"page": 2, "page_size": 2}
    page = ward.get(nurse, path(patient, made, "versions"), query_string=query).get_json()
    assert (page["items"], page["total"]) == ([first], 3)


def test_amending_names_the_version_that_was_read(ward: Ward, nurse: Account, patient: int) -> None:
    made = written(ward, nurse, patient)
    assert told(amend(ward, nurse, patient, made, version=None)) == (428, "precondition_required")
    assert told(amend(ward, nurse, patient, made, version=2)) == (412, "precondition_failed")
    assert amend(ward, nurse, patient, made).status_code == 200
    assert told(amend(ward, nurse, patient, made)) == (412, "precondition_failed")
    assert ward.get(nurse, path(patient, made)).headers["ETag"] == '"2"'


def test_of_amendments_at_once_one_is_signed(
    app: Flask, ward: Ward, nurse: Account, patient: int
) -> None:
    made, start = written(ward, nurse, patient), Barrier(4)
    headers = {"Authorization": f"Bearer {ward.access(nurse)}", "If-Match": '"1"'}

    def send(n: int) -> int:
        client = app.test_client()
        start.wait(60)
        body = {"text": f"Version of {n}", "because": "At once"}
        answer = client.post(path(patient, made, "amend"), headers=headers, json=body)
        return answer.status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [200, 412, 412, 412]
    assert ward.get(nurse, path(patient, made, "versions")).get_json()["total"] == 2


def test_nobodys_words_change_under_their_name(ward: Ward, nurse: Account, patient: int) -> None:
    made, doctor = written(ward, nurse, patient), ward.doctor(patient)
    colleague = ward.nurse(ward.unit(), "b@ward.example")
    for other in (doctor, colleague):
        assert told(amend(ward, other, patient, made)) == (403, "forbidden")
        assert written(ward, other, patient) > made
    assert ward.get(nurse, path(patient, made)).get_json()["number"] == 1


def test_the_latest_note_comes_first_as_it_reads_now(
    ward: Ward, nurse: Account, patient: int
) -> None:
    first = written(ward, nurse, patient)
    second = written(ward, nurse, patient, category="progress")
    third = written(ward, nurse, patient)
    written(ward, nurse, ward.patient(unit_id=ward.unit()))
    amend(ward, nurse, patient, first)

    def ids(**query: Any) -> list[int]:
        answer = ward.get(nurse, path(patient), query_string=query)
        assert answer.status_code == 200
        return [item["id"] for item in answer.get_json()["items"]]

    assert ids() == [third, second, first]
    assert ids(category="progress") == [second]
    assert ids(category="consultation") == []
    assert [ids(page=n, page_size=2) for n in (1, 2, 3)] == [[third, second], [first], []]
    listed = ward.get(nurse, path(patient)).get_json()
    assert listed["total"] == 3
    assert listed["items"][2] == ward.get(nurse, path(patient, first)).get_json()
    assert ward.get(nurse, path(patient), query_string={"category": "x"}).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [{"category": "poem"}, {"text": ""}, {"text": None}, {"text": "a\x00"}, {"text": "\udfff"},
     {"text": "x" * 10_001}, {"signed_by": 1}],
    ids=lambda wrong: str(wrong)[:30],
)  # fmt: skip
def test_what_is_no_note_is_refused(
    ward: Ward, nurse: Account, patient: int, wrong: dict[str, Any]
) -> None:
    answer = write(ward, nurse, patient, **wrong)
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == list(wrong)


def test_the_longest_note_fits_into_a_body_in_any_script(
    ward: Ward, nurse: Account, patient: int
) -> None:
    text = "病" * 10_000
    made = written(ward, nurse, patient, text=text)
    assert ward.get(nurse, path(patient, made)).get_json()["text"] == text


def test_in_handoff_time_a_nurse_writes_signs_and_amends(ward: Ward, patient: int) -> None:
    now = clock.now()
    late = ward.nurse(ward.unit(), starts_at=now - 8 * HOUR, ends_at=now - HOUR / 12)
    made = written(ward, late, patient)
    assert amend(ward, late, patient, made).status_code == 200


def test_another_patients_note_is_not_found_under_a_patient_of_ones_own(
    ward: Ward, nurse: Account, patient: int
) -> None:
    other = ward.patient(unit_id=ward.unit("ICU"))
    theirs = written(ward, ward.doctor(other), other)
    for note_id in (theirs, theirs + 100):
        for answer in (
            ward.get(nurse, path(patient, note_id)),
            ward.get(nurse, path(patient, note_id, "versions")),
            amend(ward, nurse, patient, note_id),
        ):
            assert told(answer) == (404, "not_found")
    for answer in (
        ward.get(nurse, path(other)), ward.get(nurse, path(other, theirs)),
        ward.get(nurse, path(other, theirs, "versions")), write(ward, nurse, other),
        amend(ward, nurse, other, theirs),
    ):  # fmt: skip
        assert told(answer) == (403, "break_glass_available")


def test_a_patient_reads_and_others_find_nothing(ward: Ward, nurse: Account) -> None:
    account, own = ward.self_patient(unit_id=ward.unit())
    made = written(ward, nurse, own)
    reads = [path(own), path(own, made), path(own, made, "versions")]
    assert [ward.get(account, there).status_code for there in reads] == [200] * 3
    assert told(write(ward, account, own)) == (403, "forbidden")
    assert told(amend(ward, account, own, made)) == (403, "forbidden")
    for user_type in ("researcher", "admin", "ops"):
        other = ward.user(f"{user_type}@ward.example", user_type)
        answers = [ward.get(other, there) for there in reads]
        answers += [write(ward, other, own), amend(ward, other, own, made)]
        assert {answer.status_code for answer in answers} == {404}


def test_every_access_is_audited_once_and_without_what_was_written(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    made = written(ward, nurse, patient)
    assert latest_detail(sql)["note_id"] == made
    ward.get(nurse, path(patient))
    ward.get(nurse, path(patient, made))
    ward.get(nurse, path(patient, made, "versions"))
    amend(ward, nurse, patient, made)
    assert set(latest_detail(sql)) == {"basis", "basis_id", "note_id"}
    amend(ward, nurse, patient, made)
    ward.get(nurse, path(patient, made + 1, "versions"))
    ok = ("success", None, [patient])
    assert accesses(sql) == [
        ("note:signed", *ok), ("notes:listed", *ok), ("note:read", *ok), ("note:read", *ok),
        ("note:amended", *ok), ("note:amended", "refused", "precondition_failed", [patient]),
        ("note:read", "refused", "not_found", [patient]),
    ]  # fmt: skip


def test_the_number_of_statements_does_not_grow_with_the_record(
    app: Flask, ward: Ward, nurse: Account, patient: int
) -> None:
    made = written(ward, nurse, patient)
    with app.app_context():
        engine = db.engine

    def counted() -> list[int]:
        counts = []
        for there in (path(patient), path(patient, made), path(patient, made, "versions")):
            with statements(engine) as seen:
                assert ward.get(nurse, there).status_code == 200
            counts.append(len(seen))
        return counts

    few = counted()
    for version in range(1, 6):
        written(ward, nurse, patient)
        amend(ward, nurse, patient, made, version=version)
    assert counted() == few
    assert max(few) <= 6
