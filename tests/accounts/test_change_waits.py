"""A change of an account that has to wait for its new unit's row."""

import threading

import psycopg
import pytest
from flask import Flask

from carelink_api.accounts import service
from carelink_api.clock import now
from carelink_api.extensions import db
from carelink_api.sessions.accounts import Change, change_user
from tests.auth_helper import EMAIL, Auth
from tests.processes import wait_for

_WAITS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_moving_to_a_unit_whose_profile_is_just_getting_stricter_ends_the_sessions(
    app: Flask, auth: Auth, store: str
) -> None:
    auth.create_user(EMAIL, user_type="nurse", unit="Ward 3")
    auth.create_user("other@icu.example", unit="Ward 4")
    auth.tokens(EMAIL)
    ended: list[int] = []

    with psycopg.connect(store.replace("+psycopg", "")) as stricter:
        stricter.execute("UPDATE units SET session_profile = 'high_security' WHERE name = 'Ward 4'")
        move = threading.Thread(target=lambda: ended.append(_move_to_ward_4(app)))
        move.start()
        _wait_for_a_waiter(stricter)
        stricter.commit()
        move.join()

    assert ended == [1]


def _move_to_ward_4(app: Flask) -> int:
    with app.app_context():
        sql = db.session()
        user_id, unit_id = service.get_user(sql, EMAIL).id, service.get_unit(sql, "Ward 4").id
        count, _ = change_user(
            sql, user_id, Change(user_type="nurse", unit_id=unit_id), now=now(), actor="cli"
        )
        return count


def _wait_for_a_waiter(holder: psycopg.Connection) -> None:
    wait_for(lambda: holder.execute(_WAITS).fetchone() != (0,), "the change to wait")
