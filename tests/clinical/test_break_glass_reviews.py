"""The review of broken glass: who judges whom, by when, and how often it is broken where."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.clinical.break_glass.models import BreakGlassReview
from tests.auth_helper import Account
from tests.clinical.test_break_glass import PATH, REASON, opened, read
from tests.clinical.test_patients_read import events, ids
from tests.clinical.ward import HOUR, Ward
from tests.conftest import Travel

QUEUE, RATES = f"{PATH}reviews/", f"{PATH}rates/"
DAY = 24 * HOUR


@pytest.fixture
def admin(ward: Ward) -> Account:
    return ward.user("admin@house.example", "admin")


def judge(ward: Ward, reviewer: Account, grant: int, outcome: str = "appropriate") -> Any:
    body = {"outcome": outcome, "comment": "As the ward says"}
    return ward.post(reviewer, f"{PATH}{grant}/reviews/", body)


def queue(ward: Ward, reviewer: Account, **query: Any) -> Any:
    return ward.get(reviewer, QUEUE, query_string=query)


def test_reviewers_see_who_when_and_why_and_nothing_of_what_the_record_holds(
    ward: Ward, admin: Account
) -> None:
    icu = ward.unit("ICU")
    patient, doctor = ward.patient("Åsa Öberg", unit_id=icu, mrn="MRN-77", bed="3"), ward.doctor()
    grant = opened(ward, doctor, patient)
    for _ in range(3):
        read(ward, doctor, patient)
    answer = queue(ward, admin)
    [item] = answer.get_json()["items"]
    times = [item.pop(name) for name in ("opened_at", "expires_at", "due_at")]
    assert times == sorted(times)
    assert item == {
        "id": grant,
        "patient_id": patient,
        "reason_code": "life_threatening",
        "reason_text": REASON,
        "ended_at": None,
        "end_reason": None,
        "open": True,
        "user": {"id": doctor.id, "name": "Doctor", "user_type": "doctor"},
        "unit": {"id": icu, "name": "ICU"},
        "in_handoff": False,
        "concerns": [],
        "accesses": 3,
        "overdue": False,
        "outcome": None,
        "reviews": [],
    }
    for secret in ("Åsa", "Öberg", "MRN-77", "1950"):
        assert secret not in answer.text
    assert ward.get(admin, f"/api/patients/{patient}/").status_code == 404


@pytest.mark.parametrize("user_type", ["patient", "doctor", "nurse", "researcher", "ops"])
def test_nobody_but_an_admin_reviews(ward: Ward, user_type: str, sql: Sql) -> None:
    grant = ward.grant(ward.doctor(), ward.patient())
    account = ward.user("x@ward.example", user_type)
    for answer in (queue(ward, account), ward.get(account, RATES), judge(ward, account, grant)):
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    assert judge(ward, account, grant + 99).status_code == 403
    assert sql.scalars(select(BreakGlassReview)).all() == []


def test_a_review_settles_a_grant_and_an_unclear_one_waits_for_another(
    ward: Ward, admin: Account, sql: Sql
) -> None:
    patient, doctor = ward.patient(), ward.doctor()
    first, second = ward.grant(doctor, patient), ward.grant(doctor, patient)
    answer = judge(ward, admin, first, "unclear")
    assert answer.status_code == 201
    assert answer.get_json()["reviewer_id"] == admin.id
    assert ids(queue(ward, admin)) == [first, second]
    assert (
        judge(ward, ward.user("b@house.example", "admin"), first, "inappropriate").status_code
        == 201
    )
    assert ids(queue(ward, admin)) == [second]
    again = judge(ward, admin, first)
    assert (again.status_code, again.get_json()["code"]) == (409, "already_reviewed")
    [settled] = queue(ward, admin, status="settled").get_json()["items"]
    assert settled["outcome"] == "inappropriate"
    assert [each["outcome"] for each in settled["reviews"]] == ["unclear", "inappropriate"]
    outcomes = [event.detail["finding"] for event, about in events(sql, "break_glass:reviewed")
                if event.detail and event.outcome == "success" and about == [patient]]  # fmt: skip
    assert outcomes == ["unclear", "inappropriate"]


def test_nobody_reviews_ones_own_not_even_as_an_admin_of_today(
    ward: Ward, admin: Account, sql: Sql
) -> None:
    other = ward.grant(ward.doctor(), ward.patient())
    own = ward.grant(admin, ward.patient("B"))  # of the time when they were a doctor
    assert ids(queue(ward, admin, status="all")) == [other]
    assert judge(ward, admin, own).status_code == 403
    [(event, _)] = events(sql, "break_glass:reviewed")
    assert (event.outcome, event.reason) == ("refused", "own_grant")
    assert judge(ward, ward.user("b@house.example", "admin"), own).status_code == 201


def test_a_grant_is_due_after_three_days_and_then_overdue_until_it_is_settled(
    ward: Ward, admin: Account, travel: Travel
) -> None:
    doctor = ward.doctor()
    late, settled = opened(ward, doctor, ward.patient("A")), opened(ward, doctor, ward.patient("B"))
    judge(ward, admin, settled)
    travel(72 * 3600 - 60)
    ward.log_in_anew(admin), ward.log_in_anew(doctor)
    new = opened(ward, doctor, ward.patient("C"))
    assert ids(queue(ward, admin, status="overdue")) == []
    travel(61)
    assert ids(queue(ward, admin, status="overdue")) == [late]
    assert {item["id"]: item["overdue"] for item in queue(ward, admin).get_json()["items"]} == {
        late: True,
        new: False,
    }


def test_the_queue_is_filtered_paged_and_counted_alike(ward: Ward, admin: Account) -> None:
    icu, now = ward.unit("ICU"), clock.now()
    one, two = ward.doctor(), ward.doctor(email="two@ward.example")
    patient = ward.patient(unit_id=icu)
    late = ward.grant(one, patient, unit_id=icu, due_at=now - HOUR)
    early = ward.grant(two, patient, due_at=now + HOUR)
    done = ward.grant(one, patient, outcome="appropriate", due_at=now + 2 * HOUR)
    for query, found in {
        (): [late, early],
        (("status", "all"),): [late, early, done],
        (("status", "settled"),): [done],
        (("user_id", one.id),): [late],
        (("unit_id", icu), ("status", "all")): [late],
        (("user_id", one.id + 99),): [],
    }.items():
        answer = queue(ward, admin, **dict(query))
        assert (ids(answer), answer.get_json()["total"]) == (found, len(found)), query
    second = queue(ward, admin, page=2, page_size=1)
    assert (ids(second), second.get_json()["total"]) == ([early], 2)


@pytest.mark.parametrize(
    "body",
    [{}, {"outcome": "fine", "comment": "x"}, {"outcome": "unclear"},
     {"outcome": "unclear", "comment": ""}, {"outcome": "unclear", "comment": "x", "by": 1}],
)  # fmt: skip
def test_a_review_needs_an_outcome_and_a_comment(
    ward: Ward, admin: Account, body: dict[str, Any]
) -> None:
    grant = ward.grant(ward.doctor(), ward.patient())
    assert ward.post(admin, f"{PATH}{grant}/reviews/", body).status_code == 422
    assert judge(ward, admin, grant + 99).status_code == 404


def test_rates_say_how_often_each_user_breaks_it_and_where(ward: Ward, admin: Account) -> None:
    icu, now = ward.unit("ICU"), clock.now()
    often, once = ward.doctor(), ward.doctor(email="once@ward.example")
    patients = [ward.patient("A", unit_id=icu), ward.patient("B")]
    for n in range(3):
        ward.grant(often, patients[0], unit_id=icu, outcome=["inappropriate", None, None][n],
                   concerns=[None, "own,vip", None][n])  # fmt: skip
    ward.grant(often, patients[1], opened_at=now - 40 * DAY)
    ward.grant(once, patients[1], outcome="appropriate")

    by_user = ward.get(admin, RATES).get_json()
    assert by_user["total"] == 2
    assert by_user["items"][0] == {
        "user": {"id": often.id, "name": "Doctor", "user_type": "doctor"},
        "unit": None,
        "grants": 3,
        "per_week": 0.7,
        "patients": 1,
        "inappropriate": 1,
        "awaiting": 2,
        "flagged": 1,
    }
    by_unit = ward.get(admin, RATES, query_string={"by": "unit"}).get_json()["items"]
    assert [(item["unit"], item["grants"]) for item in by_unit] == [
        ({"id": icu, "name": "ICU"}, 3),
        (None, 1),
    ]
    longer = ward.get(admin, RATES, query_string={"days": 60}).get_json()["items"]
    assert [item["grants"] for item in longer] == [4, 1]


def test_what_reviewers_do_is_audited_once_each(ward: Ward, admin: Account, sql: Sql) -> None:
    patient = ward.patient()
    grant = ward.grant(ward.doctor(), patient)
    queue(ward, admin), ward.get(admin, RATES), judge(ward, admin, grant)
    [(listed, nobody)] = events(sql, "break_glass:reviews_listed")
    assert (listed.detail, nobody) == ({"grants": [grant]}, [])
    [(rates, _)] = events(sql, "break_glass:rates_listed")
    assert rates.detail == {"by": "user", "days": 30}
    [(judged, about)] = events(sql, "break_glass:reviewed")
    assert (judged.detail, about) == ({"grant": grant, "finding": "appropriate"}, [patient])


def test_the_account_whose_type_has_changed_keeps_its_name_in_the_queue(
    ward: Ward, admin: Account, sql: Sql
) -> None:
    doctor = ward.doctor()
    ward.grant(doctor, ward.patient())
    user = sql.get_one(User, doctor.id)
    user.user_type, user.disabled_at = "researcher", clock.now()
    sql.commit()
    [item] = queue(ward, admin).get_json()["items"]
    assert item["user"]["user_type"] == "researcher"
