"""A unit with more live sessions than one statement takes parameters."""

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.sessions.accounts import change_unit_profile
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth

MORE = 66_000
"""PostgreSQL's protocol counts parameters in 16 bits."""


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_stricter_profile_ends_every_session_of_a_very_full_unit(
    app: Flask, auth: Auth, sql: Sql
) -> None:
    user = auth.create_user(unit="Emergency", profile="standard")
    auth.tokens()
    _multiply_the_only_session(sql)
    unit_id = sql.scalar(select(User.unit_id).where(User.id == user.id))
    sql.rollback()
    assert unit_id is not None
    with app.app_context():
        ended, _ = change_unit_profile(sql, unit_id, "high_security", now=clock.now(), actor="cli")
    assert ended == 1 + MORE
    live = select(func.count()).select_from(Session).where(Session.ended_at.is_(None))
    assert sql.scalar(live) == 0


def _multiply_the_only_session(sql: Sql) -> None:
    others = ", ".join(column.name for column in Session.__table__.columns if column.name != "id")
    sql.execute(
        text(
            f"INSERT INTO sessions (id, {others})"
            f" SELECT substr(md5(n::text), 1, 22), {others} FROM sessions, generate_series(1, :n) n"
        ),
        {"n": MORE},
    )
    sql.commit()
