"""Handoffs: given, accepted by one, taken back; and a patient whom somebody always answers for."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.extensions import db
from tests.auth_helper import Account
from tests.clinical.handoffs import SBAR, accept, give, given, owner, path, told, withdraw
from tests.clinical.trail import accesses, latest_detail
from tests.clinical.ward import HOUR, Ward
from tests.sessions.helpers import statements


@pytest.fixture
def late(ward: Ward) -> Account:
    """Return a nurse in handoff time."""
    now = clock.now()
    hours = {"starts_at": now - 8 * HOUR, "ends_at": now - HOUR / 12}
    return ward.nurse(ward.unit(), "late@ward.example", **hours)


def test_who_gives_answers_for_the_patient_until_another_accepts(
    ward: Ward, patient: int, ada: Account, bea: Account
) -> None:
    assert owner(ward, ada, patient) is None
    answer = give(ward, ada, patient)
    body = answer.get_json()
    made = body.pop("id")
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert body.pop("given_at").endswith("Z")
    assert body == SBAR | {
        "patient": {"id": patient, "name": "Ada Byron"},
        "status": "pending",
        "given_by": {"id": ada.id, "name": "Ada"},
        "closed_by": None,
        "closed_at": None,
    }
    assert owner(ward, bea, patient) == ada.id
    accepted = accept(ward, bea, patient, made)
    assert (accepted.status_code, accepted.headers["ETag"]) == (200, '"2"')
    assert accepted.get_json()["closed_by"] == {"id": bea.id, "name": "Bea"}
    assert accepted.get_json() == ward.get(bea, path(patient, made)).get_json()
    assert owner(ward, ada, patient) == bea.id


def test_what_is_closed_stays_closed(ward: Ward, patient: int, ada: Account, bea: Account) -> None:
    made = given(ward, ada, patient)
    assert accept(ward, bea, patient, made).status_code == 200
    third = ward.nurse(ward.unit(), "cia@ward.example")
    for answer in (
        accept(ward, third, patient, made), accept(ward, bea, patient, made),
        withdraw(ward, ada, patient, made),
    ):  # fmt: skip
        assert told(answer) == (409, "handoff_closed")
    assert owner(ward, ada, patient) == bea.id


def test_nobody_accepts_their_own(ward: Ward, patient: int, ada: Account) -> None:
    made = given(ward, ada, patient)
    assert told(accept(ward, ada, patient, made)) == (409, "own_handoff")
    assert owner(ward, ada, patient) == ada.id


def test_what_is_taken_back_leaves_the_owner_and_may_be_given_again(
    ward: Ward, patient: int, ada: Account, bea: Account
) -> None:
    made = given(ward, ada, patient)
    assert told(give(ward, ada, patient)) == (409, "handoff_pending")
    assert told(withdraw(ward, bea, patient, made)) == (403, "forbidden")
    answer = withdraw(ward, ada, patient, made)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "withdrawn")
    assert told(accept(ward, bea, patient, made)) == (409, "handoff_closed")
    assert owner(ward, ada, patient) == ada.id
    assert given(ward, ada, patient) != made


def test_a_colleague_gives_only_in_place_of_an_owner_who_has_left(
    ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    withdraw(ward, ada, patient, given(ward, ada, patient))
    assert told(give(ward, bea, patient)) == (409, "owned_by_another")
    gone = ward.user("gone@ward.example", "nurse")
    ward.handoff(patient, gone, status="withdrawn", closed_by_id=gone.id, closed_at=clock.now())
    made = given(ward, bea, patient)
    assert latest_detail(sql)["in_place_of"] == gone.id
    assert owner(ward, ada, patient) == gone.id
    assert accept(ward, ada, patient, made).status_code == 200
    assert owner(ward, bea, patient) == ada.id


def test_in_handoff_time_a_nurse_gives_and_takes_back_but_accepts_nothing(
    ward: Ward, patient: int, late: Account, ada: Account
) -> None:
    assert withdraw(ward, late, patient, given(ward, late, patient)).status_code == 200
    made = given(ward, late, patient)
    assert accept(ward, ada, patient, made).status_code == 200
    again = given(ward, ada, patient)
    assert told(accept(ward, late, patient, again)) == (403, "in_handoff")
    assert owner(ward, ada, patient) == ada.id


def test_the_database_itself_keeps_one_pending_handoff_and_no_acceptance_by_the_giver(
    ward: Ward, patient: int, ada: Account
) -> None:
    ward.handoff(patient, ada)
    with pytest.raises(IntegrityError):
        ward.handoff(patient, ada)
    with pytest.raises(IntegrityError):
        ward.handoff(patient, ada, status="accepted", closed_by_id=ada.id, closed_at=clock.now())


def test_lists_show_the_patients_one_may_see_the_latest_first(
    ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    second = ward.patient(unit_id=ward.unit())
    elsewhere = ward.patient(unit_id=ward.unit("ICU"))
    old = given(ward, ada, patient)
    accept(ward, bea, patient, old)
    new, other = given(ward, bea, patient), given(ward, ada, second)
    hidden = ward.handoff(elsewhere, ada)

    def ids(there: str, **query: Any) -> list[int]:
        answer = ward.get(ada, there, query_string=query)
        assert answer.status_code == 200
        found = [item["id"] for item in answer.get_json()["items"]]
        assert query or answer.get_json()["total"] == len(found)
        return found

    assert ids("/api/handoffs/") == [other, new, old]
    assert ids("/api/handoffs/", status="pending") == [other, new]
    assert [ids("/api/handoffs/", page=n, page_size=2) for n in (1, 2)] == [[other, new], [old]]
    assert ids(path(patient)) == [new, old]
    assert ids(path(patient), status="accepted") == [old]
    assert told(ward.get(ada, path(elsewhere, hidden))) == (403, "break_glass_available")
    assert ward.get(ada, "/api/handoffs/", query_string={"status": "x"}).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"situation": ""}, {"background": None}, {"assessment": 1}, {"to_user_id": 1},
        {"recommendation": "x" * 2001}, {"situation": "a\x00"}, {"situation": "a\x85"},
        {"situation": "\ud800"},
    ],
    ids=str,
)  # fmt: skip
def test_a_handoff_has_four_parts_that_are_text(
    ward: Ward, patient: int, ada: Account, wrong: dict[str, Any]
) -> None:
    answer = give(ward, ada, patient, **wrong)
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == list(wrong)
    assert owner(ward, ada, patient) is None


def test_another_patients_handoff_is_not_found_under_a_patient_of_ones_own(
    ward: Ward, patient: int, ada: Account, bea: Account
) -> None:
    elsewhere = ward.patient(unit_id=ward.unit("ICU"))
    theirs = ward.handoff(elsewhere, bea)
    for act in (accept, withdraw):
        assert told(act(ward, ada, patient, theirs)) == (404, "not_found")
        assert told(act(ward, ada, patient, theirs + 100)) == (404, "not_found")
        assert told(act(ward, ada, elsewhere, theirs)) == (404, "not_found")
    assert told(ward.get(ada, path(patient, theirs))) == (404, "not_found")
    assert told(give(ward, ada, elsewhere)) == (404, "not_found")


def test_doctors_and_patients_read_handoffs_and_others_find_none(
    ward: Ward, ada: Account, sql: Sql
) -> None:
    account, own = ward.self_patient(unit_id=ward.unit())
    made = given(ward, ada, own)
    readers = [account, ward.doctor(own)]
    others = [ward.user(f"{kind}@ward.example", kind) for kind in ("researcher", "admin", "ops")]
    writes: list[Callable[[Account], Any]] = [
        lambda who: give(ward, who, own),
        lambda who: accept(ward, who, own, made),
        lambda who: withdraw(ward, who, own, made),
    ]
    for reader in readers:
        assert ward.get(reader, path(own)).get_json()["total"] == 1
        assert ward.get(reader, "/api/handoffs/").get_json()["total"] == 1
        assert owner(ward, reader, own) == ada.id
        assert {told(write(reader)) for write in writes} == {(403, "forbidden")}
    for other in others:
        assert told(ward.get(other, "/api/handoffs/")) == (403, "forbidden")
        reads = [path(own), path(own, made), f"/api/patients/{own}/owner/"]
        assert {ward.get(other, there).status_code for there in reads} == {404}
        assert {told(write(other)) for write in writes} == {(404, "not_found")}


def test_every_access_is_audited_once_and_without_what_was_written(
    ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    made = given(ward, ada, patient)
    assert set(latest_detail(sql)) == {"basis", "basis_id", "handoff_id"}
    ward.get(bea, "/api/handoffs/")
    ward.get(bea, path(patient))
    ward.get(bea, path(patient, made))
    owner(ward, bea, patient)
    accept(ward, bea, patient, made)
    assert latest_detail(sql)["owner_before"] == ada.id
    accept(ward, bea, patient, made)
    give(ward, ada, patient)
    withdraw(ward, bea, patient, made + 1)
    ok = ("success", None, [patient])
    assert accesses(sql) == [
        ("handoff:given", *ok), ("handoffs:listed", *ok), ("handoffs:listed", *ok),
        ("handoff:read", *ok), ("owner:read", *ok), ("handoff:accepted", *ok),
        ("handoff:accepted", "refused", "handoff_closed", [patient]),
        ("handoff:given", "refused", "owned_by_another", [patient]),
        ("handoff:withdrawn", "refused", "not_found", [patient]),
    ]  # fmt: skip


def test_the_number_of_statements_does_not_grow_with_the_list(
    app: Flask, ward: Ward, patient: int, ada: Account
) -> None:
    ward.access(ada)
    with app.app_context():
        engine = db.engine

    def counted() -> list[int]:
        counts = []
        for there in ("/api/handoffs/", path(patient)):
            with statements(engine) as seen:
                assert ward.get(ada, there).status_code == 200
            counts.append(len(seen))
        return counts

    ward.handoff(patient, ada)
    few = counted()
    for _ in range(9):
        ward.handoff(ward.patient(unit_id=ward.unit()), ada)
    assert counted() == few
    assert max(few) <= 6
