"""What several tests of the auth API look at: answers, statements, audit events, forged tokens."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jwt as pyjwt
import pytest
from flask import Flask
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.audit.models import AuditEvent
from carelink_api.auth.keys import Key
from carelink_api.sessions.runtime import Runtime

SQLITE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""For tests of HTTP's side, where one kind of database says it all."""
FRAMES = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE")

Door = Callable[[str], Any]
CONSTANT = {
    "type": "urn:carelink:problem:token_not_valid",
    "title": "Token not valid",
    "status": 401,
    "detail": "The token is not valid. Refresh it, or log in again.",
    "code": "token_not_valid",
}
CHALLENGE = 'Bearer realm="carelink", error="invalid_token"'


def runtime_of(app: Flask) -> Runtime:
    """Return the application's core."""
    runtime: Runtime = app.extensions["carelink"]
    return runtime


def take_notes(app: Flask) -> None:
    """Write every receipt and activity that the requests so far have left."""
    assert runtime_of(app).activity.flush(clock.wall(), everything=True)


def outside(response: TestResponse) -> tuple[int, Any, dict[str, str]]:
    """Return all that a stranger sees, less what differs from request to request."""
    body = response.get_json()
    assert body.pop("request_id") == response.headers["X-Request-ID"]
    headers = {k: v for k, v in response.headers.items() if k not in ("X-Request-ID", "Date")}
    return response.status_code, body, headers


def refused_with(response: TestResponse, reason: str | None) -> bool:
    """Say whether a validly signed token was refused for that reason."""
    body = response.get_json()
    return (
        response.status_code == 401
        and body["code"] == "token_not_valid"
        and body.get("reason") == reason
        and 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    )


def events(sql: Sql, *names: str) -> list[AuditEvent]:
    """Return the audit events so far, oldest first; of these names where any is given."""
    sql.rollback()
    query = select(AuditEvent).order_by(AuditEvent.id)
    return list(sql.scalars(query.where(AuditEvent.event.in_(names)) if names else query))


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect every SQL statement of the process; what only frames a transaction is left out."""
    seen: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        if not statement.upper().startswith(FRAMES):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def claims_of(token: str) -> dict[str, Any]:
    """Return a token's claims, unverified."""
    payload: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return payload


def signing_key(app: Flask) -> Key:
    """Return the key with which the application signs."""
    key: Key = app.extensions["carelink.tokens"].ring.signing
    return key


def encoded(value: Any) -> str:
    """Return a segment: bytes and text as they are, anything else as JSON."""
    if not isinstance(value, bytes):
        value = (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signed(header: Any, payload: Any, secret: str, digest: str = "sha256") -> str:
    """Sign by hand, since a library refuses to sign most forgeries."""
    content = f"{encoded(header)}.{encoded(payload)}"
    return f"{content}.{encoded(hmac.digest(secret.encode(), content.encode(), digest))}"


class Forger:
    """Holds the deployment's own key and a good token, and signs any variation of it."""

    def __init__(self, app: Flask, token: str) -> None:
        self.key = signing_key(app)
        self.header: dict[str, Any] = pyjwt.get_unverified_header(token)
        self.payload = claims_of(token)

    def claims(self, **changed: Any) -> str:
        """Sign the token with other claims."""
        return self.token(payload=self.payload | changed)

    def without(self, *names: str) -> str:
        """Sign the token without those claims."""
        return self.token(payload={k: v for k, v in self.payload.items() if k not in names})

    def headers(self, **changed: Any) -> str:
        """Sign the token with other header members; None takes one away."""
        header = {k: v for k, v in (self.header | changed).items() if v is not None}
        return self.token(header=header)

    def token(
        self,
        header: Any = None,
        payload: Any = None,
        secret: str | None = None,
        digest: str = "sha256",
    ) -> str:
        """Sign any header and payload; the good ones, the key and SHA-256 where none is given."""
        return signed(
            self.header if header is None else header,
            self.payload if payload is None else payload,
            self.key.signing if secret is None else secret,
            digest,
        )


def assert_all_refused(tokens: Mapping[str, str], doors: list[Door]) -> None:
    """Every token gets the one constant answer at every door, never a reason."""
    for name, token in tokens.items():
        for door in doors:
            status, body, headers = outside(door(token))
            assert (status, body) == (401, CONSTANT), name
            assert headers["WWW-Authenticate"] == CHALLENGE, name


def refreshed(response: TestResponse) -> dict[str, Any]:
    """Return the body of an answer that must be good."""
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer
