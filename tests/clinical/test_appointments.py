"""GET /api/appointments/: whose, which, in what order, and what is written about it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api.accounts.models import User
from carelink_api.audit.models import AuditEvent
from carelink_api.clinical.models import Appointment, Patient
from tests.auth_helper import Auth
from tests.clinical.ward import Ward

PATH = "/api/appointments/"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Read = Callable[..., TestResponse]


@pytest.fixture
def people(ward: Ward) -> None:
    for name in ("house", "wilson"):
        ward.user(f"{name}@ward.example", "doctor")
    for name in ("ada", "bob"):
        ward.self_patient(f"{name}@home.example", name=name.title())


@pytest.fixture
def book(people: None, sql: Sql) -> Callable[..., int]:
    """Return a function that books an appointment and returns its id."""

    def booked(doctor: str, patient: str, starts_at: datetime, **values: Any) -> int:
        appointment = Appointment(
            doctor_id=_id(sql, f"{doctor}@ward.example"),
            patient_id=_record(sql, f"{patient}@home.example"),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            **({"description": "Check"} | values),
        )
        sql.add(appointment)
        sql.commit()
        return appointment.id

    return booked


@pytest.fixture
def read(auth: Auth) -> Read:
    """Return a function that logs `email` in and reads the list."""

    def get(email: str, **query: Any) -> TestResponse:
        return auth.get(PATH, auth.tokens(email)["access"], query_string=query)

    return get


def _id(sql: Sql, email: str) -> int:
    return sql.scalars(select(User.id).where(User.email == email)).one()


def _record(sql: Sql, email: str) -> int:
    """Return the id of the record of the patient with this account."""
    return sql.scalars(select(Patient.id).where(Patient.user_id == _id(sql, email))).one()


def _events(sql: Sql) -> Sequence[AuditEvent]:
    sql.rollback()
    asked = select(AuditEvent).where(AuditEvent.event == "appointments:listed")
    return sql.scalars(asked.order_by(AuditEvent.id)).all()


def _ids(answer: TestResponse) -> list[int]:
    assert answer.status_code == 200
    return [item["id"] for item in answer.get_json()["items"]]


def test_a_doctor_sees_their_own_appointments_only(book: Callable[..., int], read: Read) -> None:
    own = book("house", "ada", NOON)
    book("wilson", "ada", NOON)
    answer = read("house@ward.example")
    assert _ids(answer) == [own]
    assert answer.get_json()["total"] == 1


def test_a_patient_sees_their_own_appointments_only(book: Callable[..., int], read: Read) -> None:
    own = [book("house", "ada", NOON), book("wilson", "ada", NOON + timedelta(hours=1))]
    book("house", "bob", NOON)
    answer = read("ada@home.example")
    assert _ids(answer) == own
    assert answer.get_json()["total"] == 2


@pytest.mark.parametrize("user_type", ["researcher", "admin", "ops"])
def test_every_other_user_type_is_refused(auth: Auth, read: Read, user_type: str) -> None:
    auth.create_user("somebody@ward.example", user_type=user_type)
    answer = read("somebody@ward.example")
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")
    assert answer.get_json()["code"] == "forbidden"


def test_an_item_shows_these_fields_and_no_more(
    book: Callable[..., int], read: Read, sql: Sql
) -> None:
    made = book("house", "ada", NOON, description="Blood test – left arm", status="cancelled")
    body = read("ada@home.example").get_json()
    doctor, patient = _id(sql, "house@ward.example"), _record(sql, "ada@home.example")
    assert body == {
        "items": [
            {
                "id": made,
                "starts_at": "2026-03-01T12:00:00Z",
                "ends_at": "2026-03-01T12:30:00Z",
                "status": "cancelled",
                "description": "Blood test – left arm",
                "doctor": {"id": doctor, "name": "House"},
                "patient": {"id": patient, "name": "Ada"},
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 50,
    }


def test_the_earliest_comes_first_and_ties_go_by_id(book: Callable[..., int], read: Read) -> None:
    late = book("house", "ada", NOON + timedelta(hours=1))
    first, second = book("house", "ada", NOON), book("house", "bob", NOON)
    assert _ids(read("house@ward.example")) == [first, second, late]


def test_pages_follow_one_another_and_the_total_counts_them_all(
    book: Callable[..., int], read: Read
) -> None:
    made = [book("house", "ada", NOON + timedelta(hours=n)) for n in range(5)]
    pages = [read("house@ward.example", page=n, page_size=2) for n in (1, 2, 3, 4)]
    assert [_ids(page) for page in pages] == [made[:2], made[2:4], made[4:], []]
    assert {page.get_json()["total"] for page in pages} == {5}
    assert [page.get_json()["page"] for page in pages] == [1, 2, 3, 4]


def test_a_day_runs_from_midnight_to_midnight_utc(book: Callable[..., int], read: Read) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    book("house", "ada", midnight - timedelta(seconds=1))
    inside = [book("house", "ada", midnight), book("house", "ada", midnight + timedelta(hours=23))]
    book("house", "ada", midnight + timedelta(days=1))
    answer = read("ada@home.example", day="2026-03-01")
    assert _ids(answer) == inside
    assert answer.get_json()["total"] == 2


def test_an_empty_list_is_no_error(people: None, read: Read) -> None:
    body = read("bob@home.example").get_json()
    assert body == {"items": [], "total": 0, "page": 1, "page_size": 50}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("day", "tomorrow"),
        ("day", "2026-02-30"),
        ("day", "2026-3-1"),
        ("day", "20260301"),
        ("day", "2026-W10-1"),
        ("day", "9999-12-31"),
        ("day", "0001-01-01"),
        ("day", "2026-03-01\x00"),
        ("day", "٢٠٢٦-٠٣-٠١"),
        ("day", ""),
        ("page", "0"),
        ("page", "1.5"),
        ("page", "100001"),
        ("page", "9" * 5000),
        ("page_size", "0"),
        ("page_size", "201"),
        ("page_size", "many"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_field_by_field(
    people: None, read: Read, field: str, value: str
) -> None:
    answer = read("ada@home.example", **{field: value})
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert list(answer.get_json()["errors"]) == [field]


def test_whose_list_it_is_cannot_be_asked_for(
    book: Callable[..., int], read: Read, sql: Sql
) -> None:
    book("house", "bob", NOON)
    bob = _record(sql, "bob@home.example")
    answer = read("ada@home.example", patient_id=bob, user_id=bob, user_type="doctor")
    assert _ids(answer) == []


def test_without_a_token_the_answer_is_a_bare_challenge(client: FlaskClient) -> None:
    answer = client.get(PATH, query_string={"day": "nonsense"})
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "not_authenticated"
    assert "error" not in answer.headers["WWW-Authenticate"]


def test_the_list_ends_with_the_session(people: None, auth: Auth) -> None:
    tokens = auth.tokens("ada@home.example")
    assert auth.get(PATH, tokens["access"]).status_code == 200
    assert auth.logout(tokens["refresh"]).status_code == 200
    assert auth.get(PATH, tokens["access"]).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_list_can_only_be_read_and_added_to(client: FlaskClient, method: str) -> None:
    answer = client.open(PATH, method=method)
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == {
        "GET", "HEAD", "OPTIONS", "POST",
    }  # fmt: skip


def test_the_path_answers_without_its_slash_and_is_never_cached(people: None, auth: Auth) -> None:
    answer = auth.get(PATH.rstrip("/"), auth.tokens("ada@home.example")["access"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_each_read_is_audited_once_with_what_was_shown(
    book: Callable[..., int], read: Read, sql: Sql
) -> None:
    made = book("house", "ada", NOON)
    answer = read("ada@home.example", day="2026-03-01")
    reader = _id(sql, "ada@home.example")
    [event] = _events(sql)
    assert (event.outcome, event.actor, event.user_id) == ("success", f"user:{reader}", reader)
    assert event.request_id == answer.headers["X-Request-ID"]
    assert event.route == PATH
    assert event.sid
    assert event.jti
    assert event.detail == {"appointment_ids": [made], "day": "2026-03-01"}


def test_a_refused_read_is_audited_once_and_kept(auth: Auth, read: Read, sql: Sql) -> None:
    auth.create_user("ops@ward.example", user_type="ops")
    assert read("ops@ward.example").status_code == 403
    [event] = _events(sql)
    assert (event.outcome, event.reason) == ("refused", "user_type")
    assert event.user_id == _id(sql, "ops@ward.example")


@pytest.fixture
def lose_the_trail(sql: Sql) -> Iterator[Callable[[], None]]:
    """Return a function that takes the table of events away; it comes back afterwards."""

    def rename(old: str, new: str) -> None:
        sql.rollback()
        sql.connection().exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
        sql.commit()

    yield lambda: rename("audit_events", "lost_events")
    rename("lost_events", "audit_events")


def test_a_read_that_cannot_be_audited_shows_nothing(
    book: Callable[..., int], auth: Auth, lose_the_trail: Callable[[], None]
) -> None:
    book("house", "ada", NOON, description="Canary")
    access = auth.tokens("ada@home.example")["access"]
    assert "Canary" in auth.get(PATH, access).text
    lose_the_trail()
    answer = auth.get(PATH, access)
    assert answer.status_code == 503
    assert "Canary" not in answer.text
