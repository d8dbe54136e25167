"""The list of sessions that operators search; who is a patient here stays unseen."""

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.ops.commands import sqlite_only
from tests.ops.operator import (
    ANNA,
    BEN,
    CLEO,
    PIET,
    Logged,
    Operator,
    epoch,
    sid,
    trail,
    unit_id,
)


def emails(found: Any) -> set[str | None]:
    assert found["total"] == len(found["items"])
    return {each["user"]["email"] for each in found["items"]}


def test_sessions_are_found_by_what_is_known_of_them(
    piet: Operator, ward: Logged, sql: Sql
) -> None:
    sql.execute(update(Session).where(Session.id == sid(ward[ANNA])).values(address="10.7.1.20"))
    sql.commit()
    every = {ANNA, BEN, PIET, None}
    searches: list[tuple[dict[str, Any], set[str | None]]] = [
        ({}, every),
        ({"q": "ANNA@"}, {ANNA}),
        ({"q": "ben"}, {BEN}),
        ({"q": "control room"}, {PIET}),
        ({"q": "%"}, set()),
        ({"session": sid(ward[BEN])}, {BEN}),
        ({"user_id": ward[BEN]["user"]["id"]}, {BEN}),
        ({"unit_id": unit_id(sql, "ICU")}, {ANNA}),
        ({"user_type": "nurse"}, {ANNA, BEN}),
        ({"profile": "high_security"}, {ANNA}),
        ({"address": "10.7."}, {ANNA}),
        ({"address": "10.7.1.2"}, {ANNA}),
        ({"address": "127."}, {BEN, PIET}),
        ({"user_type": "nurse", "address": "127."}, {BEN}),
        ({"status": "ended"}, set()),
        ({"status": "all"}, every),
    ]
    for query, expected in searches:
        assert emails(piet.ask("sessions", **query)) == expected, query


@sqlite_only
def test_a_session_shows_who_where_and_until_when(piet: Operator, ward: Logged) -> None:
    (shown,) = piet.ask("sessions", q=ANNA)["items"]
    assert shown["id"] == sid(ward[ANNA])
    assert (shown["unit"]["name"], shown["profile"], shown["state"]) == (
        "ICU",
        "high_security",
        "live",
    )
    assert (shown["device_name"], shown["address"]) == (f"{ANNA}'s", "127.0.0.1")
    assert epoch(shown["idle_at"]) - epoch(shown["last_active_at"]) == 16 * 60
    assert (shown["ended_at"], shown["end_reason"], shown["current"]) == (None, None, False)
    (own,) = piet.ask("sessions", session=piet.sid)["items"]
    assert own["current"]


@sqlite_only
def test_an_ended_session_tells_why(auth: Auth, piet: Operator, ward: Logged) -> None:
    auth.logout(ward[BEN]["refresh"])
    (shown,) = piet.ask("sessions", status="ended")["items"]
    assert (shown["user"]["email"], shown["end_reason"], shown["state"]) == (
        BEN,
        "logged_out",
        "ended",
    )
    assert emails(piet.ask("sessions")) == {ANNA, PIET, None}


@sqlite_only
def test_the_list_comes_in_pages(piet: Operator) -> None:
    pages = [piet.ask("sessions", page=page, page_size=3) for page in (1, 2)]
    assert [len(page["items"]) for page in pages] == [3, 1]
    assert {page["total"] for page in pages} == {4}
    assert len({each["id"] for page in pages for each in page["items"]}) == 4


@sqlite_only
@pytest.mark.parametrize(
    "query",
    [{"q": "cleo"}, {"q": CLEO}, {"q": "marsh"}, {"address": "127.", "user_type": "patient"}],
)
def test_no_search_finds_who_is_a_patient_here(piet: Operator, query: dict[str, Any]) -> None:
    assert piet.ask("sessions", **query)["items"] == []


@sqlite_only
def test_of_a_patient_the_number_is_shown_and_nothing_else(
    auth: Auth, piet: Operator, ward: Logged
) -> None:
    auth.login(CLEO, "wrong password")
    (shown,) = piet.ask("sessions", user_type="patient")["items"]
    number = ward[CLEO]["user"]["id"]
    assert shown["user"] == {"id": number, "name": None, "email": None, "user_type": "patient"}
    assert (shown["device_name"], shown["address"]) == (None, None)
    everything = str([piet.ask("events", kind="all"), piet.ask("numbers"), shown])
    assert "Marsh" not in everything
    assert CLEO not in everything
    about = piet.ask("events", user_id=number, kind="all")["items"]
    assert {event["address"] for event in about} == {None}
    assert {event["actor_name"] for event in about} == {None}


@sqlite_only
def test_a_search_is_audited_by_what_was_searched_for(piet: Operator, sql: Sql) -> None:
    piet.ask("sessions", q="anna", user_type="nurse")
    (event,) = trail(sql, Event.SESSIONS_SEARCHED)
    assert (event.actor, event.sid) == (f"user:{piet.account.id}", piet.sid)
    assert event.detail == {"by": ["q", "user_type"], "status": "active"}
