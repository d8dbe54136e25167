"""Shifts as tests need them: given at once, and changed over HTTP."""

from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.accounts.models import Unit
from carelink_api.extensions import db
from carelink_api.shifts.models import Shift
from tests.auth_helper import Auth, bearer

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def give_shift(
    app: Flask,
    user_id: int,
    start: timedelta = -HOUR,
    end: timedelta = 7 * HOUR,
    *,
    unit: str = "ICU",
    in_charge: bool = False,
    cancelled: bool = False,
) -> int:
    """Insert a shift from and to a time from now, in a unit that may be new; return its id."""
    now = clock.now().replace(microsecond=0)
    with app.app_context():
        sql = db.session()
        shift = Shift(
            user_id=user_id,
            unit_id=_unit_id(sql, unit),
            starts_at=now + start,
            ends_at=now + end,
            in_charge=in_charge,
            cancelled_at=now if cancelled else None,
        )
        sql.add(shift)
        sql.commit()
        return shift.id


def unit_id(app: Flask, name: str = "ICU") -> int:
    """Return the id of a unit, made where it is new."""
    with app.app_context():
        found = _unit_id(db.session(), name)
        db.session.commit()
        return found


def _unit_id(sql: Sql, name: str) -> int:
    found = sql.scalar(select(Unit).where(Unit.name == name))
    if found is None:
        found = Unit(name=name)
        sql.add(found)
        sql.flush()
    return found.id


def at(start: timedelta) -> str:
    """Return a time from now as a request says it."""
    return (clock.now() + start).isoformat(timespec="seconds")


def moment(text: str) -> datetime:
    """Read a time of an answer."""
    return datetime.fromisoformat(text)


class Roster:
    """The roster's API, as somebody who is logged in."""

    def __init__(self, auth: Auth, access: str) -> None:
        self.auth = auth
        self.headers = bearer(access)

    def list(self, **query: Any) -> TestResponse:
        return self.auth.client.get("/api/shifts/", query_string=query, headers=self.headers)

    def read(self, shift_id: int) -> TestResponse:
        return self.auth.client.get(f"/api/shifts/{shift_id}/", headers=self.headers)

    def create(self, **body: Any) -> TestResponse:
        body = {"reason": "Somebody is ill"} | body
        return self.auth.client.post("/api/shifts/", json=body, headers=self.headers)

    def change(self, shift_id: int, version: int | str | None = 1, **body: Any) -> TestResponse:
        body = {"reason": "The ward is full"} | body
        return self.auth.client.patch(
            f"/api/shifts/{shift_id}/", json=body, headers=self._on(version)
        )

    def cancel(self, shift_id: int, version: int | str | None = 1, **body: Any) -> TestResponse:
        body = {"reason": "The ward is empty"} | body
        return self.auth.client.post(
            f"/api/shifts/{shift_id}/cancel/", json=body, headers=self._on(version)
        )

    def sessions(self, unit: int) -> TestResponse:
        return self.auth.client.get(f"/api/units/{unit}/sessions/", headers=self.headers)

    def end_sessions(self, unit: int, **body: Any) -> TestResponse:
        body = {"reason": "Left open"} | body
        path = f"/api/units/{unit}/sessions/end/"
        return self.auth.client.post(path, json=body, headers=self.headers)

    def _on(self, version: int | str | None) -> dict[str, str]:
        if version is None:
            return self.headers
        tag = f'"{version}"' if isinstance(version, int) else version
        return self.headers | {"If-Match": tag}


def admin_roster(auth: Auth) -> Roster:
    """Return the roster as an administrator sees it."""
    auth.create_user("admin@ward.example", "admin")
    return Roster(auth, auth.tokens("admin@ward.example")["access"])
