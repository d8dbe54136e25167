"""Accounts and calls of the auth API, in the words that a test needs."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import argon2
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.accounts.models import Unit, User
from carelink_api.database import writing
from carelink_api.extensions import db

PASSWORD = "violet harbour before the thaw"
EMAIL = "nurse@ward.example"


@dataclass(frozen=True)
class Account:
    """What a test knows about a user it has made."""

    id: int
    email: str
    password: str
    user_type: str


@cache
def weak_hash(password: str) -> str:
    """Hash as cheaply as the test settings ask for, so that a login does not rehash."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(password)


class Auth:
    """The auth API of one application, through `client`."""

    def __init__(self, app: Flask, client: FlaskClient | None = None) -> None:
        self.app = app
        self.client = client or app.test_client()

    def create_user(
        self,
        email: str = EMAIL,
        user_type: str = "nurse",
        password: str = PASSWORD,
        unit: str | None = None,
        profile: str | None = None,
        **columns: Any,
    ) -> Account:
        """Insert a user; `unit` is a name, made with `profile` where it is new."""
        with self.app.app_context(), writing(db.session()) as sql:  # a server may write meanwhile
            now = clock.now()
            values: dict[str, Any] = {
                "email": email,
                "name": email.partition("@")[0].title(),
                "user_type": user_type,
                "password_hash": weak_hash(password),
                "unit_id": _unit_id(sql, unit, profile),
                "created_at": now,
                "password_changed_at": now,
            }
            user = User(**(values | columns))
            sql.add(user)
            sql.flush()
            return Account(user.id, email, password, user_type)

    def login(self, email: str = EMAIL, password: str = PASSWORD, **body: Any) -> TestResponse:
        """POST the login; other members of the body by name."""
        return self.post("login", {"email": email, "password": password} | body)

    def tokens(self, email: str = EMAIL, password: str = PASSWORD, **body: Any) -> dict[str, Any]:
        """Log in, which must succeed, and return the answer's body."""
        response = self.login(email, password, **body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.get_json()
        return answer

    def refresh(self, token: str | None = None, **options: Any) -> TestResponse:
        """POST a refresh token, or none (the cookie)."""
        return self.post("refresh", {} if token is None else {"refresh": token}, **options)

    def logout(
        self, refresh: str | None = None, access: str | None = None, **options: Any
    ) -> TestResponse:
        """POST the log-out, with a refresh token, an access token, or the cookie alone."""
        body = {} if refresh is None else {"refresh": refresh}
        return self.post("logout", body, access=access, **options)

    def logout_all(self, access: str) -> TestResponse:
        return self.post("logout-all", None, access=access)

    def verify(self, token: str) -> TestResponse:
        return self.post("verify", {"token": token})

    def me(self, access: str | None = None, **options: Any) -> TestResponse:
        """GET who an access token is."""
        return self.get("/api/auth/me/", access, **options)

    def get(self, path: str, access: str | None = None, **options: Any) -> TestResponse:
        """GET any path, with an access token where one is given."""
        return self.client.get(path, headers=_headers(access, options), **options)

    def post(
        self, name: str, body: Any, *, access: str | None = None, **options: Any
    ) -> TestResponse:
        """POST JSON to a route of the auth API; no body for None."""
        if body is not None:
            options["json"] = body
        headers = _headers(access, options)
        return self.client.post(f"/api/auth/{name}/", headers=headers, **options)


def bearer(access: str) -> dict[str, str]:
    """Return the header that carries an access token."""
    return {"Authorization": f"Bearer {access}"}


def _headers(access: str | None, options: dict[str, Any]) -> dict[str, str]:
    given: dict[str, str] = options.pop("headers", None) or {}
    return given | (bearer(access) if access is not None else {})


def _unit_id(sql: Sql, name: str | None, profile: str | None) -> int | None:
    if name is None:
        return None
    unit = sql.scalar(select(Unit).where(Unit.name == name))
    if unit is None:
        unit = Unit(name=name, session_profile=profile)
        sql.add(unit)
        sql.flush()
    return unit.id
