"""Handoffs, as the tests send them."""

from typing import Any

from tests.auth_helper import Account
from tests.clinical.ward import Ward

SBAR = {
    "situation": "Stable, 38.2 °C",
    "background": "Hip, day 2",
    "assessment": "Wound is dry.\n\tPain 3/10",
    "recommendation": "Mobilise",
}


def path(patient_id: int, *rest: object) -> str:
    return f"/api/patients/{patient_id}/handoffs/" + "".join(f"{part}/" for part in rest)


def give(ward: Ward, account: Account, patient_id: int, **parts: Any) -> Any:
    return ward.post(account, path(patient_id), SBAR | parts)


def given(ward: Ward, account: Account, patient_id: int) -> int:
    answer = give(ward, account, patient_id)
    assert answer.status_code == 201, answer.text
    made: int = answer.get_json()["id"]
    return made


def accept(ward: Ward, account: Account, patient_id: int, handoff_id: int) -> Any:
    return ward.post(account, path(patient_id, handoff_id, "accept"))


def withdraw(ward: Ward, account: Account, patient_id: int, handoff_id: int) -> Any:
    return ward.post(account, path(patient_id, handoff_id, "withdraw"))


def owner(ward: Ward, account: Account, patient_id: int) -> int | None:
    body = ward.get(account, f"/api/patients/{patient_id}/owner/").get_json()
    assert (body["owner"] is None) == (body["since"] is None)
    return body["owner"] and int(body["owner"]["id"])


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]
