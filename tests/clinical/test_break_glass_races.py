"""Break-glass while other things happen, and what it costs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.clinical.break_glass.models import BreakGlassGrant, BreakGlassReview
from carelink_api.extensions import db
from carelink_api.sessions.models import Session
from tests.auth_helper import Account
from tests.clinical.test_break_glass import PATH, break_glass, emergency, opened, read
from tests.clinical.test_break_glass_reviews import QUEUE, RATES
from tests.clinical.test_patients_read import events, one
from tests.clinical.ward import Ward


def at_once(app: Flask, calls: list[Callable[[Any], Any]]) -> list[Any]:
    """Let each call run in a thread with a client of its own, all starting together."""
    together = threading.Barrier(len(calls))

    def run(call: Callable[[Any], Any]) -> Any:
        client = app.test_client()
        together.wait(30)
        return call(client)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def posting(ward: Ward, account: Account, path: str, body: Any) -> Callable[[Any], Any]:
    headers = {"Authorization": f"Bearer {ward.access(account)}"}
    return lambda client: client.post(path, json=body, headers=headers).status_code


def test_of_grants_at_once_in_one_session_one_is_made(ward: Ward, app: Flask, sql: Sql) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    ask = posting(ward, doctor, PATH, emergency(patient))
    assert sorted(at_once(app, [ask] * 4)) == [201, 409, 409, 409]
    assert sql.scalar(select(func.count()).select_from(BreakGlassGrant)) == 1
    outcomes = [event.outcome for event, _ in events(sql, "break_glass:opened")]
    assert sorted(outcomes) == ["alert", "refused", "refused", "refused"]


def test_grants_at_once_of_several_doctors_are_all_made(ward: Ward, app: Flask) -> None:
    patient = ward.patient()
    doctors = [ward.doctor(email=f"d{n}@ward.example") for n in range(4)]
    asks = [posting(ward, doctor, PATH, emergency(patient)) for doctor in doctors]
    assert at_once(app, asks) == [201] * 4


def test_of_reviews_at_once_one_settles(ward: Ward, app: Flask, sql: Sql) -> None:
    grant = ward.grant(ward.doctor(), ward.patient())
    admins = [ward.user(f"a{n}@house.example", "admin") for n in range(3)]
    body = {"outcome": "appropriate", "comment": "Seen"}
    asks = [posting(ward, admin, f"{PATH}{grant}/reviews/", body) for admin in admins]
    assert sorted(at_once(app, asks)) == [201, 409, 409]
    assert sql.scalar(select(func.count()).select_from(BreakGlassReview)) == 1


def test_a_session_that_ends_takes_its_grant_along(ward: Ward, sql: Sql) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    opened(ward, doctor, patient)
    ward.auth.logout(access=ward.access(doctor))
    assert ward.get(doctor, one(patient)).status_code == 401
    ward.log_in_anew(doctor)
    assert read(ward, doctor, patient) == "break_glass_available"
    assert [item["open"] for item in ward.get(doctor, PATH).get_json()["items"]] == [False]


def test_a_worker_that_has_not_heard_of_the_end_opens_nothing_any_more(
    ward: Ward, sql: Sql
) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    opened(ward, doctor, patient)
    sql.execute(update(Session).values(ended_at=clock.now(), end_reason="revoked"))
    sql.commit()
    assert read(ward, doctor, patient) == "break_glass_available"
    answer = break_glass(ward, doctor, patient)
    assert (answer.status_code, answer.get_json()["reason"]) == (401, "revoked")
    *_, (refused, _) = events(sql, "break_glass:opened")
    assert (refused.outcome, refused.reason) == ("refused", "token_not_valid")


def test_an_account_disabled_meanwhile_opens_nothing(ward: Ward, sql: Sql) -> None:
    doctor, patient = ward.doctor(), ward.patient()
    ward.access(doctor)
    sql.execute(update(User).values(disabled_at=clock.now()))
    sql.commit()
    assert break_glass(ward, doctor, patient).get_json()["code"] == "invalid_credentials"
    assert sql.scalars(select(BreakGlassGrant)).all() == []


def test_what_it_asks_of_the_database_does_not_grow(ward: Ward, app: Flask) -> None:
    with app.app_context():
        engine = db.engine
    doctor, admin = ward.doctor(), ward.user("admin@house.example", "admin")
    patients = [ward.patient(f"P{n}", unit_id=ward.unit("ICU")) for n in range(12)]
    ward.access(doctor), ward.access(admin)
    counts: list[dict[str, int]] = []
    for some in (patients[:2], patients[2:]):
        for patient in some:
            grant = opened(ward, doctor, patient)
            read(ward, doctor, patient)
        counts.append(
            {
                "open": _statements(engine, lambda: break_glass(ward, doctor, patients[0])),
                "read": _statements(engine, lambda patient=patient: read(ward, doctor, patient)),
                "own": _statements(engine, lambda: ward.get(doctor, PATH)),
                "queue": _statements(engine, lambda: ward.get(admin, QUEUE)),
                "rates": _statements(engine, lambda: ward.get(admin, RATES)),
                "back": _statements(
                    engine, lambda grant=grant: ward.call(doctor, "DELETE", f"{PATH}{grant}/")
                ),
            }
        )
    assert counts[0] == counts[1]
    bounds = {"open": 12, "read": 5, "own": 6, "queue": 7, "rates": 5, "back": 6}
    assert {name: n for name, n in counts[0].items() if n > bounds[name]} == {}


def _statements(engine: Engine, act: Callable[[], Any]) -> int:
    """Count what a request sends to the database; SQLite's BEGIN counts, the pulse does not."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)
