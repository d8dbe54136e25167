"""A login that runs while its shift is taken away is refused, or its session ends with it."""

from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.sessions import rostering
from carelink_api.sessions.models import Session
from carelink_api.shifts.roster import Draft
from carelink_api.shifts.rules import Editor
from tests.auth_helper import Account, Auth
from tests.conftest import MakeServer
from tests.e2e.clients import speaking_to
from tests.e2e.test_login_races import (
    MANY_SESSIONS,
    STREAMS,
    assert_dead,
    live_sessions,
    race_logins,
)
from tests.processes import wait_for
from tests.shifts.helpers import HOUR, give_shift, unit_id

ROUNDS = 8


def change_by(user_id: int) -> rostering.Change:
    return rostering.Change(Editor(user_id, everywhere=True), "Somebody is ill", clock.now())


def session_ends(sql: Sql, user_id: int) -> set[object]:
    """Return the different ends of a user's live sessions."""
    sql.rollback()
    live = (Session.user_id == user_id, Session.ended_at.is_(None))
    return set(sql.scalars(select(Session.expires_at).where(*live)))


def cancel(app: Flask, shift_id: int) -> None:
    with app.app_context():
        rostering.cancel_shift(db.session(), shift_id, change_by(1), version=1)


def cut_short(app: Flask, shift_id: int) -> None:
    ends_at = clock.now() - timedelta(minutes=31)
    with app.app_context():
        rostering.change_shift(
            db.session(), shift_id, {"ends_at": ends_at}, change_by(1), version=1
        )


def test_no_token_of_a_login_that_races_a_lost_shift_works(
    app: Flask, auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    server = api_server(workers=2, max_sessions_per_user=MANY_SESSIONS)
    with speaking_to(server) as api:
        for number in range(ROUNDS):
            account = auth.create_user(f"nurse{number}@ward.example")
            shift = give_shift(app, account.id, -2 * HOUR)
            last = race_logins(api, account, partial((cancel, cut_short)[number % 2], app, shift))

            assert last
            assert live_sessions(sql, account) == []
            for pair in last:
                assert_dead(api, pair, "shift_ended")


def test_no_login_that_races_a_further_shift_keeps_the_sooner_end(
    app: Flask, auth: Auth, api_server: MakeServer, sql: Sql
) -> None:
    server = api_server(workers=2, max_sessions_per_user=MANY_SESSIONS)

    def add_and_cancel(shift_id: int, account: Account) -> None:
        start = clock.now().replace(microsecond=0) + HOUR
        draft = Draft(account.id, unit_id(app), start, start + 3 * HOUR)
        with app.app_context():
            further = rostering.add_shift(db.session(), draft, change_by(1)).id
        enough = len(live_sessions(sql, account)) + 3 * STREAMS
        wait_for(
            lambda: len(live_sessions(sql, account)) >= enough, "logins that began before it", 30
        )
        ends.update(session_ends(sql, account.id))
        cancel(app, further)
        cancel(app, shift_id)

    with speaking_to(server) as api:
        for number in range(ROUNDS):
            account = auth.create_user(f"nurse{number}@ward.example")
            shift = give_shift(app, account.id, -2 * HOUR, HOUR)
            ends: set[object] = set()
            race_logins(api, account, partial(add_and_cancel, shift, account))
            assert len(ends) == 1, "every session of hers ends when the further shift does"
