"""The schema of events is not one that takes anything, and every name has its codes."""

from datetime import timedelta
from typing import Any

import pytest

from carelink_api import clock
from carelink_api.audit.events import Event
from tests.audit.event_schema import faults_of

GOOD: dict[str, Any] = {
    "id": 7, "recorded_at": clock.now(), "event": "patient:read", "outcome": "success",
    "reason": None, "actor": "user:3", "user_id": 3, "sid": "A" * 22, "jti": "b" * 16,
    "request_id": "request-1", "address": "127.0.0.1", "route": "/api/patients/<id:patient_id>/",
    "detail": {"basis": "unit"},
}  # fmt: skip


def test_a_good_event_has_no_fault() -> None:
    assert faults_of(GOOD) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": "patient:seen"}, {"outcome": "maybe"}, {"outcome": "refused"},
        {"reason": "Because I said so"}, {"actor": None}, {"actor": "Dr. Okafor"},
        {"sid": "short"}, {"jti": "eyJhbGciOi.J9.x"}, {"request_id": "a\nb"}, {"route": None},
        {"route": "/api/patients/7?name=Ada"}, {"address": "nowhere"},
        {"recorded_at": clock.now().replace(tzinfo=None)}, {"actor": "housekeeper"},
        {"detail": {"password": "eyJhbGciOiJIUzI1NiJ9.e30.x"}}, {"detail": ["a"]},
        {"recorded_at": clock.now() + timedelta(days=500)},
        {"detail": {"occurred_at": "2999-01-01T00:00:00+00:00"}},
    ],
)  # fmt: skip
def test_whatever_is_wrong_with_one_is_found(wrong: dict[str, Any]) -> None:
    assert faults_of(GOOD | wrong) != []


@pytest.mark.parametrize("name", list(Event))
def test_every_name_has_codes_and_a_class(name: Event) -> None:
    assert faults_of(GOOD | {"event": name}) == []
