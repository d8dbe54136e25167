"""What researchers get: numbers about ten patients or more."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.models import AuditEvent
from carelink_api.clinical.statistics.rules import MAX_DAYS, days_told
from tests.auth_helper import Account
from tests.clinical.ward import Ward

PATH = "/api/statistics/vital-signs/"
DAY = timedelta(days=1)
Told = Callable[..., dict[str, Any]]
PULSE, WARMTH = "8867-4", "8310-5"


def noon(days_ago: int) -> datetime:
    today = clock.now().astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today - days_ago * DAY


@pytest.fixture
def nurse(ward: Ward) -> Account:
    return ward.user("nurse@ward.example", "nurse")


def measured(ward: Ward, nurse: Account, count: int, at: datetime, **columns: Any) -> list[int]:
    """Measure so many new patients, the first with 60, each next with 2 more; return them."""
    found = [ward.patient() for _ in range(count)]
    for place, patient in enumerate(found):
        ward.observation(
            patient, nurse, **({"value": 60 + 2 * place, "effective_at": at} | columns)
        )
    return found


@pytest.fixture
def told(ward: Ward) -> Told:
    """Ask as a researcher."""
    researcher = ward.user("researcher@x.example", "researcher")

    def ask(**query: Any) -> dict[str, Any]:
        answer = ward.get(researcher, PATH, query_string=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.get_json()
        return body

    return ask


def test_mean_and_spread_of_a_day_are_told_of_ten_patients(
    ward: Ward, nurse: Account, told: Told
) -> None:
    at = noon(2)
    measured(ward, nurse, 10, at)
    body = told()
    assert body["smallest_group"] == 10
    assert body["items"] == [
        {
            "day": at.date().isoformat(),
            "code": PULSE,
            "name": "Heart rate",
            "unit": "/min",
            "patients": 10,
            "measured": 10,
            "mean": 69.0,
            "standard_deviation": 5.7,
        }
    ]


def test_of_nine_nothing_is_told_however_often_they_were_measured(
    ward: Ward, nurse: Account, told: Told
) -> None:
    for patient in measured(ward, nurse, 9, noon(2)):
        ward.observation(patient, nurse, effective_at=noon(2) + timedelta(hours=1))
    measured(ward, nurse, 9, noon(3))
    measured(ward, nurse, 10, noon(2), code=WARMTH, status="entered-in-error", marked_at=noon(1))
    assert told()["items"] == []


def test_a_patient_counts_once_whoever_is_measured_most(
    ward: Ward, nurse: Account, told: Told
) -> None:
    first, *_ = measured(ward, nurse, 10, noon(2))
    for minute in range(5):
        at = noon(2) + timedelta(minutes=minute + 1)
        ward.observation(first, nurse, value=60, effective_at=at)
    [item] = told()["items"]
    assert (item["patients"], item["measured"], item["mean"]) == (10, 15, 69.0)


def test_today_is_not_told_nor_a_day_that_was_not_asked_for(
    ward: Ward, nurse: Account, told: Told
) -> None:
    now = clock.now()
    measured(ward, nurse, 10, now)
    measured(ward, nurse, 10, noon(2))
    measured(ward, nurse, 10, noon(40))
    assert [item["day"] for item in told()["items"]] == [noon(2).date().isoformat()]
    old = noon(40).date().isoformat()
    assert [item["day"] for item in told(since=old, until=old)["items"]] == [old]
    assert told(since=now.astimezone(UTC).date().isoformat())["items"] == []


def test_who_asks_is_audited_once_and_nobody_else_may(ward: Ward, told: Told, sql: Sql) -> None:
    told(until=noon(2).date().isoformat())
    assert ward.get(ward.user("admin@x.example", "admin"), PATH).status_code == 403
    asked = select(AuditEvent).where(AuditEvent.event == "statistics:read").order_by(AuditEvent.id)
    found = sql.scalars(asked).all()
    assert [(each.outcome, each.reason) for each in found] == [
        ("success", None), ("refused", "user_type")]  # fmt: skip
    assert (found[0].detail or {})["until"] == noon(2).date().isoformat()


@pytest.mark.parametrize(
    "query",
    [{"since": "2026-10-02", "until": "2026-10-01"}, {"since": "2020-01-01"}, {"since": "x"}],
)
def test_a_span_that_makes_no_sense_is_refused(ward: Ward, query: dict[str, str]) -> None:
    researcher = ward.user("researcher@x.example", "researcher")
    assert ward.get(researcher, PATH, query_string=query).status_code == 422


def test_days_that_are_over_are_told_and_thirty_where_none_are_named() -> None:
    today = date(2026, 11, 22)
    assert days_told(None, None, today) == (date(2026, 10, 23), date(2026, 11, 21))
    assert days_told(None, date(2026, 12, 24), today)[1] == date(2026, 11, 21)
    assert days_told(date(2026, 11, 1), date(2026, 11, 3), today) == (
        date(2026, 11, 1), date(2026, 11, 3))  # fmt: skip
    assert days_told(today - MAX_DAYS * DAY, None, today)[0] == today - MAX_DAYS * DAY
    with pytest.raises(ValueError, match="At most"):
        days_told(today - (MAX_DAYS + 1) * DAY, None, today)
