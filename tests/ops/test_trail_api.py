"""The trail is reviewed by API as by command: a report of a period, and a name under it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.audit.canonical import moment
from carelink_api.audit.models import AuditedPatient, AuditEvent, AuditReview
from tests.audit.trail import Trail
from tests.auth_helper import PASSWORD, Auth, bearer
from tests.conftest import Travel
from tests.ops.commands import done_json

NOOR = "noor@admin.example"


class Reviewer:
    """An administrator who is logged in, and the period that she looks at."""

    def __init__(self, auth: Auth, trail: Trail) -> None:
        self.auth = auth
        self.id = auth.create_user(NOOR, "admin").id
        self.access = auth.tokens(NOOR)["access"]
        self.since, self.until = trail.at - timedelta(hours=1), trail.at + timedelta(hours=1)

    @property
    def period(self) -> dict[str, str]:
        return {"since": moment(self.since), "until": moment(self.until)}

    def ask(self, path: str, **query: Any) -> TestResponse:
        return self.auth.get(f"/api/ops/audit/{path}/", self.access, query_string=query)

    def events(self, **query: Any) -> Any:
        answer = self.ask("events", **self.period, **query)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def sign(self, **body: Any) -> TestResponse:
        told = self.period | {"findings": "Two look-ups asked about"} | body
        path = "/api/ops/audit/reviews/"
        return self.auth.client.post(path, json=told, headers=bearer(self.access))


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail._next_id = 1000
    trail.write(9)
    trail.write(3, event="login:refused", outcome="refused", actor=None, user_id=None)
    return trail


@pytest.fixture
def noor(auth: Auth, trail: Trail) -> Reviewer:
    return Reviewer(auth, trail)


def told(sql: Sql, name: str) -> list[AuditEvent]:
    sql.rollback()
    query = select(AuditEvent).where(AuditEvent.event == name).order_by(AuditEvent.id)
    return list(sql.scalars(query))


def test_a_report_is_of_a_period_in_pages_and_an_event_itself(noor: Reviewer, sql: Sql) -> None:
    page = noor.events(page_size=5, order="ascending")
    assert (page["total"], len(page["items"])) == (12, 5)
    first = page["items"][0]
    assert (first["id"], first["patients"], first["event"]) == (1000, [], "patient:read")
    assert (first["retention_class"], first["kept_until"][:4]) == ("access", str(later_year()))
    assert "salt" not in first
    rest = noor.events(page_size=5, order="ascending", page=3)
    assert [item["id"] for item in rest["items"]] == [1010, 1011]
    noor.events(patient_id=7)
    *_, last = told(sql, "trail:read")
    assert (last.actor, last.detail) == (
        f"user:{noor.id}", {"by": ["patient_id", "since", "until"], "events": 4})  # fmt: skip
    about = select(AuditedPatient.patient_id).where(AuditedPatient.event_id == last.id)
    assert sql.scalars(about).all() == [7]


def later_year() -> int:
    return (clock.now() - timedelta(days=1) + timedelta(days=2192)).year


@pytest.mark.parametrize("sort", ["patient", "user_id", "event", "outcome", "recorded_at"])
def test_it_is_sorted_by_user_patient_type_outcome_and_time(
    noor: Reviewer, runner: FlaskCliRunner, sort: str
) -> None:
    words = ["--since", moment(noor.since), "--until", moment(noor.until), "--sort", sort]
    by_command = [row["id"] for row in done_json(runner, "audit", "list", *words)]
    assert [item["id"] for item in noor.events(sort=sort)["items"]] == by_command
    ascending = noor.events(sort=sort, order="ascending")["items"]
    assert len(ascending) == 12


def test_it_is_narrowed_as_the_command_narrows_it(noor: Reviewer) -> None:
    def ids(**query: Any) -> list[int]:
        return [item["id"] for item in noor.events(order="ascending", **query)["items"]]

    assert ids(outcome="refused") == ids(event="login:") == [1009, 1010, 1011]
    assert ids(event="login:refused", user_id=3) == []
    assert ids(user_id=3) == [1002, 1007]


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-01", "until": "2026-01-02"},
        {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "sort": "salt"},
        {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "event": "log%"},
    ],
)
def test_a_report_needs_a_period_and_fields_that_there_are(
    noor: Reviewer, query: dict[str, str]
) -> None:
    assert noor.ask("events", **query).status_code == 422


def test_a_review_is_signed_off_by_who_is_logged_in(
    noor: Reviewer, sql: Sql, runner: FlaskCliRunner
) -> None:
    answer = noor.sign(patient_id=7, follow_up=True)
    assert answer.status_code == 201, answer.text
    review = answer.get_json()
    assert (review["events"], review["scope"]) == (4, {"patient_id": 7})
    assert noor.ask("reviews").get_json()["items"] == [review]
    (row,) = done_json(runner, "audit", "reviews")
    assert (row["id"], row["reviewer"]) == (review["id"], review["reviewer"])
    (event,) = told(sql, "audit:reviewed")
    assert (event.actor, event.user_id, event.sid is None) == (f"user:{noor.id}", noor.id, False)
    assert "Two look-ups" not in str(event.detail)
    assert told(sql, "trail:read")[-1].detail == {"by": ["reviews"], "events": 0}


def test_a_review_is_of_a_period_that_ends_after_it_begins(noor: Reviewer) -> None:
    noor.since, noor.until = noor.until, noor.since
    assert noor.sign().status_code == 422
    assert noor.ask("reviews").get_json()["items"] == []


def test_signing_asks_for_the_password_once_the_login_is_old(
    noor: Reviewer, sql: Sql, travel: Travel
) -> None:
    travel(301)
    refused = noor.sign()
    assert (refused.status_code, refused.get_json()["code"]) == (
        401, "insufficient_user_authentication")  # fmt: skip
    assert noor.sign(password="not the password").status_code == 401
    sql.rollback()
    assert sql.scalars(select(AuditReview)).all() == []
    assert noor.sign(password=PASSWORD).status_code == 201


def test_operators_review_nothing(auth: Auth, noor: Reviewer, sql: Sql) -> None:
    auth.create_user("piet@ops.example", "ops")
    noor.access = auth.tokens("piet@ops.example")["access"]
    assert noor.ask("events", **noor.period).status_code == 403
    assert noor.sign().status_code == 403
    reasons = [(each.reason, each.outcome) for each in told(sql, "operation:refused")]
    assert reasons == [("not_an_administrator", "refused")] * 2


def test_only_what_has_been_is_signed_off_and_with_words(noor: Reviewer, sql: Sql) -> None:
    ahead = moment(clock.now() + timedelta(minutes=10))
    for body, field in (({"until": ahead}, "until"), ({"findings": "  "}, "findings")):
        answer = noor.sign(**body)
        assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [field])
    assert told(sql, "audit:reviewed") == []


def test_no_letter_of_a_name_stands_for_any_other(noor: Reviewer) -> None:
    assert noor.events(event="l_gin:")["total"] == 0
    assert noor.events(event="login:")["total"] == 3
