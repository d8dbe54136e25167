"""Vital signs, as the tests send them."""

from typing import Any

from carelink_api import clock
from tests.auth_helper import Account
from tests.clinical.ward import HOUR, Ward

PULSE, WARMTH = "8867-4", "8310-5"


def path(patient_id: int, *rest: object) -> str:
    return f"/api/patients/{patient_id}/observations/" + "".join(f"{part}/" for part in rest)


def reading(code: str = PULSE, value: float = 80, **more: Any) -> dict[str, Any]:
    return {"code": code, "value": value} | more


def record(ward: Ward, account: Account, patient_id: int, *items: dict[str, Any]) -> list[int]:
    answer = ward.post(account, path(patient_id), {"items": items or [reading()]})
    assert answer.status_code == 201, answer.text
    return [item["id"] for item in answer.get_json()["items"]]


def ago(hours: float) -> str:
    return (clock.now() - hours * HOUR).isoformat()


def listed(ward: Ward, account: Account, patient_id: int, **query: Any) -> list[int]:
    answer = ward.get(account, path(patient_id), query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.get_json()["items"]]


def mark(ward: Ward, account: Account, patient_id: int, id: int, version: int | None = 1) -> Any:
    body = {"because": "Wrong patient"}
    return ward.post(account, path(patient_id, id, "entered-in-error"), body, version=version)
