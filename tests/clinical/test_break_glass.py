"""Break-glass: who may, what it opens, for how long, and what is written about it."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.clinical.break_glass.models import BreakGlassGrant
from tests.auth.helpers import SQLITE
from tests.auth_helper import PASSWORD, Account
from tests.clinical.test_patients_read import events, ids, one
from tests.clinical.ward import HOUR, Ward
from tests.conftest import Travel

PATH = "/api/break-glass/"
REASON = "Found on the stairs without a pulse"
MINUTE = 60


def emergency(patient_id: int, /, **members: Any) -> dict[str, Any]:
    """Return the body of a request, good but for `members`; None leaves one out."""
    body = {
        "patient_id": patient_id,
        "reason_code": "life_threatening",
        "reason_text": REASON,
        "password": PASSWORD,
    } | members
    return {name: value for name, value in body.items() if value is not None}


def break_glass(ward: Ward, account: Account, patient_id: int, /, **members: Any) -> Any:
    return ward.post(account, PATH, emergency(patient_id, **members))


def opened(ward: Ward, account: Account, patient_id: int) -> int:
    """Break the glass, which must succeed, and return the grant's id."""
    answer = break_glass(ward, account, patient_id)
    assert answer.status_code == 201, answer.text
    id: int = answer.get_json()["id"]
    return id


def read(ward: Ward, account: Account, patient_id: int) -> Any:
    """Return the status of reading a record, or the code of the refusal."""
    answer = ward.get(account, one(patient_id))
    return answer.get_json().get("code", answer.status_code)


@pytest.fixture
def patient(ward: Ward) -> int:
    """A patient with whom nobody has to do."""
    return ward.patient(unit_id=ward.unit("ICU"))


def test_it_opens_that_one_record_to_a_doctor(ward: Ward, patient: int) -> None:
    doctor, other = ward.doctor(), ward.patient("Other", unit_id=ward.unit("ICU"))
    assert read(ward, doctor, patient) == "break_glass_available"
    answer = break_glass(ward, doctor, patient)
    body = answer.get_json()
    assert answer.status_code == 201
    assert body.pop("opened_at") < body.pop("expires_at")
    assert body == {
        "id": body["id"],
        "patient_id": patient,
        "reason_code": "life_threatening",
        "reason_text": REASON,
        "ended_at": None,
        "end_reason": None,
        "open": True,
    }
    assert read(ward, doctor, patient) == 200
    assert read(ward, doctor, other) == "break_glass_available"


@pytest.mark.settings(shift_bound_user_types=[])  # else no session would outlast the shift
def test_a_nurse_on_shift_or_in_handoff_time_may_and_off_duty_may_not(ward: Ward) -> None:
    ward7, patient, now = ward.unit(), ward.patient(), clock.now()
    spans = {
        "on": ({}, 201),
        "handoff": ({"starts_at": now - 8 * HOUR, "ends_at": now - HOUR / 4}, 201),
        "early": ({"starts_at": now + HOUR / 4}, 403),
        "over": ({"starts_at": now - 9 * HOUR, "ends_at": now - HOUR}, 403),
    }
    for name, (columns, status) in spans.items():
        nurse = ward.nurse(ward7, f"{name}@ward.example", **columns)
        offered = read(ward, nurse, patient)
        assert offered == ("break_glass_available" if status == 201 else "not_found"), name
        assert break_glass(ward, nurse, patient).status_code == status, name
        assert break_glass(ward, nurse, patient + 99).status_code == (404 if status == 201 else 403)


@pytest.mark.settings(shift_bound_user_types=[])  # else no session would outlast the shift
def test_off_duty_a_nurses_grant_opens_nothing(ward: Ward, patient: int, travel: Travel) -> None:
    now = clock.now()
    nurse = ward.nurse(ward.unit(), starts_at=now - 8 * HOUR, ends_at=now - HOUR * 28 / 60)
    opened(ward, nurse, patient)
    assert read(ward, nurse, patient) == 200
    travel(3 * MINUTE)
    assert read(ward, nurse, patient) == "not_found"


@pytest.mark.parametrize("user_type", ["patient", "researcher", "admin", "ops"])
def test_nobody_else_may_whoever_is_asked_for_and_whatever_password_comes_with_it(
    ward: Ward, patient: int, user_type: str, sql: Sql
) -> None:
    account = ward.user("x@ward.example", user_type)
    for id in (patient, patient + 99):
        for password in (PASSWORD, "not the password"):
            answer = break_glass(ward, account, id, password=password)
            assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    assert sql.scalar(select(User.failed_logins).where(User.id == account.id)) == 0
    found = [event for event, _ in events(sql, "break_glass:opened")]
    assert [(each.outcome, each.reason) for each in found] == [("refused", "forbidden")] * 4


def test_it_is_refused_where_the_record_is_open_already(ward: Ward, patient: int, sql: Sql) -> None:
    nurse = ward.nurse(ward.unit("ICU"))
    assert break_glass(ward, nurse, patient).get_json()["code"] == "break_glass_not_needed"
    doctor = ward.doctor()
    opened(ward, doctor, patient)
    assert break_glass(ward, doctor, patient).status_code == 409
    assert len(sql.scalars(select(BreakGlassGrant)).all()) == 1


def test_an_absent_patient_is_absent_and_a_closed_one_is_not(ward: Ward, patient: int) -> None:
    assert break_glass(ward, ward.doctor(), patient + 99).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("reason_text", ""), ("reason_text", "          "), ("reason_text", "aaaaaaaaaaaaaaa"),
     ("reason_text", "too short"), ("reason_text", "with a \n line"), ("reason_text", "a " * 251),
     ("reason_text", None), ("reason_code", "curiosity"), ("reason_code", None),
     ("patient_id", None), ("patient_id", "7"), ("patient_id", 0), ("password", ""),
     ("user_id", 3), ("expires_at", "2030-01-01T00:00:00Z")],
)  # fmt: skip
def test_a_reason_that_says_nothing_and_what_is_not_asked_for_is_refused(
    ward: Ward, patient: int, field: str, value: Any
) -> None:
    doctor = ward.doctor()
    answer = break_glass(ward, doctor, patient, **{field: value})
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [field]
    assert read(ward, doctor, patient) == "break_glass_available"


def test_a_wrong_password_opens_nothing_and_counts(ward: Ward, patient: int, sql: Sql) -> None:
    doctor = ward.doctor()
    answer = break_glass(ward, doctor, patient, password="not the password")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "invalid_credentials")
    assert read(ward, doctor, patient) == "break_glass_available"
    assert sql.scalar(select(User.failed_logins)) == 1
    [(event, _)] = events(sql, "user:password_refused")
    assert event.detail == {"purpose": "break_glass", "asked_for": patient}
    assert events(sql, "break_glass:opened") == []
    opened(ward, doctor, patient)
    sql.rollback()
    assert sql.scalar(select(User.failed_logins)) == 0


def test_guesses_end_here_as_at_a_login_and_lock_nobody_else_out(ward: Ward, patient: int) -> None:
    doctor, other = ward.doctor(), ward.doctor(email="other@ward.example")
    ward.access(doctor), ward.access(other)
    for _ in range(10):
        break_glass(ward, doctor, patient, password="not the password")
    assert break_glass(ward, doctor, patient).status_code == 401
    assert break_glass(ward, other, patient).status_code == 201


def test_a_login_of_five_minutes_ago_stands_for_the_password_and_an_older_one_does_not(
    ward: Ward, patient: int, travel: Travel, sql: Sql
) -> None:
    doctor, second = ward.doctor(), ward.patient("B")
    ward.access(doctor)
    travel(4 * MINUTE)
    assert break_glass(ward, doctor, patient, password=None).status_code == 201
    wrong = break_glass(ward, doctor, second, password="not the password")
    assert wrong.status_code == 401, "a password that is sent must be right"
    travel(2 * MINUTE)
    answer = break_glass(ward, doctor, second, password=None)
    body = answer.get_json()
    assert (answer.status_code, body["code"]) == (401, "insufficient_user_authentication")
    assert body["max_age"] == 300
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="carelink", error="insufficient_user_authentication", max_age="300"'
    )
    *_, (event, _) = events(sql, "break_glass:opened")
    assert (event.outcome, event.reason) == ("refused", "insufficient_user_authentication")
    assert break_glass(ward, doctor, second).status_code == 201


def test_a_refreshed_token_is_as_old_as_its_login(ward: Ward, patient: int, travel: Travel) -> None:
    doctor = ward.doctor()
    pair = ward.auth.tokens(doctor.email)
    travel(6 * MINUTE)
    access = ward.auth.refresh(pair["refresh"]).get_json()["access"]
    answer = ward.auth.client.post(
        PATH,
        json=emergency(patient, password=None),
        headers={"Authorization": f"Bearer {access}"},
    )
    assert answer.get_json()["code"] == "insufficient_user_authentication"


@SQLITE
@pytest.mark.settings(ratelimit_enabled=True)
def test_passwords_are_asked_five_times_a_minute_and_a_fresh_login_never(
    ward: Ward, patient: int, sql: Sql
) -> None:
    doctor, rest = ward.doctor(), [ward.patient(f"P{n}") for n in range(8)]
    answers = [break_glass(ward, doctor, patient, password="no such word") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert len(events(sql, "token:throttled")) == 1
    many = [break_glass(ward, doctor, id, password=None).status_code for id in rest]
    assert many == [201] * 8


@pytest.mark.settings(break_glass_seconds=600)
def test_it_ends_after_the_time_of_the_setting(ward: Ward, patient: int, travel: Travel) -> None:
    doctor = ward.doctor()
    opened(ward, doctor, patient)
    travel(10 * MINUTE - 5)
    assert read(ward, doctor, patient) == 200
    travel(6)
    assert read(ward, doctor, patient) == "break_glass_available"
    [listed] = ward.get(doctor, PATH).get_json()["items"]
    assert (listed["open"], listed["ended_at"]) == (False, None)
    opened(ward, doctor, patient)
    assert read(ward, doctor, patient) == 200


def test_it_opens_nothing_to_another_session_nor_to_another_user(ward: Ward, patient: int) -> None:
    doctor, other = ward.doctor(), ward.doctor(email="other@ward.example")
    opened(ward, doctor, patient)
    assert read(ward, other, patient) == "break_glass_available"
    ward.log_in_anew(doctor)
    assert read(ward, doctor, patient) == "break_glass_available"
    opened(ward, doctor, patient)


def test_a_refresh_keeps_it(ward: Ward, patient: int) -> None:
    doctor = ward.doctor()
    pair = ward.auth.tokens(doctor.email)
    headers = {"Authorization": f"Bearer {pair['access']}"}
    client = ward.auth.client
    assert client.post(PATH, json=emergency(patient), headers=headers).status_code == 201
    access = ward.auth.refresh(pair["refresh"]).get_json()["access"]
    answer = client.get(one(patient), headers={"Authorization": f"Bearer {access}"})
    assert answer.status_code == 200


def test_it_can_be_given_back_early_by_nobody_else(ward: Ward, patient: int, sql: Sql) -> None:
    doctor, other = ward.doctor(), ward.doctor(email="other@ward.example")
    grant = opened(ward, doctor, patient)
    for account in (other, ward.nurse(ward.unit())):
        answer = ward.call(account, "DELETE", f"{PATH}{grant}/")
        assert answer.status_code == 404
    assert read(ward, doctor, patient) == 200
    given = ward.call(doctor, "DELETE", f"{PATH}{grant}/").get_json()
    assert (given["open"], given["ended_at"] is not None) == (False, True)
    assert read(ward, doctor, patient) == "break_glass_available"
    again = ward.call(doctor, "DELETE", f"{PATH}{grant}/")
    assert again.get_json()["ended_at"] == given["ended_at"]
    assert ward.call(doctor, "DELETE", f"{PATH}{grant + 99}/").status_code == 404
    (_, first, *_) = [about for _, about in events(sql, "break_glass:ended")][1:]
    assert first == [patient]


def test_one_lists_ones_own_grants_newest_first(ward: Ward, patient: int) -> None:
    doctor, other = ward.doctor(), ward.doctor(email="other@ward.example")
    second = ward.patient("B")
    own = [opened(ward, doctor, id) for id in (patient, second)]
    opened(ward, other, patient)
    assert ids(ward.get(doctor, PATH)) == own[::-1]
    page = ward.get(doctor, PATH, query_string={"page": 2, "page_size": 1}).get_json()
    assert ([item["id"] for item in page["items"]], page["total"]) == (own[:1], 2)
    for user_type in ("patient", "researcher", "admin", "ops"):
        account = ward.user(f"{user_type}@x.example", user_type)
        assert ward.get(account, PATH).status_code == 403


def test_no_list_shows_the_patient(ward: Ward, patient: int) -> None:
    doctor = ward.doctor()
    opened(ward, doctor, patient)
    ward.appointment(ward.doctor(email="other@ward.example"), patient)
    assert ids(ward.get(doctor, "/api/patients/")) == []
    assert ids(ward.get(doctor, "/api/appointments/")) == []


def test_the_alert_is_written_at_once_and_every_use_names_the_grant(
    ward: Ward, patient: int, sql: Sql
) -> None:
    doctor = ward.doctor()
    grant = opened(ward, doctor, patient)
    [(alert, about)] = events(sql, "break_glass:opened")
    assert (alert.outcome, alert.actor, about) == ("alert", f"user:{doctor.id}", [patient])
    assert alert.detail == {
        "reason_code": "life_threatening",
        "basis": "break_glass",
        "basis_id": grant,
        "in_handoff": False,
    }
    for _ in range(2):
        read(ward, doctor, patient)
    used = events(sql, "patient:read")
    assert [(event.detail, about) for event, about in used] == [
        ({"basis": "break_glass", "basis_id": grant}, [patient])
    ] * 2
    assert REASON not in repr([event.__dict__ for event, _ in [*used, (alert, about)]])


def test_work_that_is_ones_own_comes_before_the_grant(ward: Ward, patient: int, sql: Sql) -> None:
    doctor = ward.doctor()
    opened(ward, doctor, patient)
    member = ward.care(doctor, patient)
    read(ward, doctor, patient)
    [(event, _)] = events(sql, "patient:read")
    assert event.detail == {"basis": "care_team", "basis_id": member}


def test_one_broken_in_handoff_time_says_so(ward: Ward, patient: int, sql: Sql) -> None:
    now = clock.now()
    nurse = ward.nurse(ward.unit(), starts_at=now - 8 * HOUR, ends_at=now - HOUR / 4)
    opened(ward, nurse, patient)
    assert sql.scalars(select(BreakGlassGrant.in_handoff)).one() is True
    [(alert, _)] = events(sql, "break_glass:opened")
    assert alert.detail is not None
    assert alert.detail["in_handoff"] is True


def test_the_patient_sees_who_broke_the_glass_why_and_what_it_was_used_for(ward: Ward) -> None:
    account, own = ward.self_patient(unit_id=ward.unit("ICU"))
    doctor = ward.doctor()
    opened(ward, doctor, own)
    read(ward, doctor, own)
    log = ward.get(account, f"{one(own)}access-log/").get_json()["items"]
    assert [(i["event"], i["outcome"], i["basis"], i["reason_code"]) for i in log] == [
        ("patient:read", "success", "break_glass", None),
        ("break_glass:opened", "alert", "break_glass", "life_threatening"),
    ]
    assert {i["user"]["name"] for i in log} == {"Doctor"}
