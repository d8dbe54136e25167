"""Handoffs under concurrency: of those who close or give one at the same moment, one wins."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.clinical.record_models import Handoff, PatientOwner
from tests.auth_helper import Account
from tests.clinical.handoffs import SBAR, given, path
from tests.clinical.trail import accesses
from tests.clinical.ward import Ward


def test_of_acceptances_at_once_one_wins(
    app: Flask, ward: Ward, patient: int, ada: Account, sql: Sql
) -> None:
    unit = ward.unit()
    nurses = [ward.nurse(unit, f"n{n}@ward.example") for n in range(4)]
    made = given(ward, ada, patient)
    answers = at_once(
        app, [(ward.access(nurse), path(patient, made, "accept")) for nurse in nurses]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    winner = next(n for n, answer in zip(nurses, answers, strict=True) if answer.status_code == 200)
    sql.rollback()
    assert sql.get_one(PatientOwner, patient).user_id == winner.id
    assert sql.get_one(Handoff, made).closed_by_id == winner.id
    said = [entry[1:3] for entry in accesses(sql) if entry[0] == "handoff:accepted"]
    assert sorted(said, key=str) == sorted(
        [("success", None), *[("refused", "handoff_closed")] * 3], key=str
    )


def test_of_acceptance_and_withdrawal_at_once_one_wins(
    app: Flask, ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    for _ in range(4):
        made = given(ward, ada, patient)
        accepted, withdrawn = at_once(
            app,
            [(ward.access(bea), path(patient, made, "accept")),
             (ward.access(ada), path(patient, made, "withdraw"))],
        )  # fmt: skip
        assert {accepted.status_code, withdrawn.status_code} == {200, 409}
        sql.rollback()
        expected = bea if accepted.status_code == 200 else ada
        assert sql.get_one(PatientOwner, patient).user_id == expected.id
        if expected is bea:
            ada, bea = bea, ada


def test_of_two_first_handoffs_at_once_one_is_given(
    app: Flask, ward: Ward, patient: int, ada: Account, bea: Account, sql: Sql
) -> None:
    answers = at_once(app, [(ward.access(nurse), path(patient)) for nurse in (ada, bea)], body=SBAR)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    sql.rollback()
    [handoff] = sql.scalars(select(Handoff))
    assert sql.get_one(PatientOwner, patient).user_id == handoff.given_by_id


def at_once(
    app: Flask, calls: list[tuple[str, str]], body: Any = None, **headers: str
) -> list[Any]:
    """Post all of them at the same moment, each from a thread of its own."""
    start = Barrier(len(calls))

    def post(call: tuple[str, str]) -> Any:
        access, there = call
        client = app.test_client()
        start.wait(60)
        sent = {"Authorization": f"Bearer {access}"} | headers
        return client.post(there, headers=sent, json=body or {})

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(post, calls))
