"""An operator, and a hospital to look after, for the tests of the operations API."""

from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts.models import Unit
from carelink_api.audit.models import AuditEvent
from carelink_api.sessions.models import Session
from tests.auth_helper import Account, Auth, bearer

WHY = "Stolen tablet on Ward 7"
ANNA, BEN, CLEO = "anna@ward.example", "ben@ward.example", "cleo@home.example"
PIET = "piet@ops.example"
Logged = dict[str, dict[str, Any]]
"""Who is logged in: tokens by e-mail."""


class Operator:
    """Somebody of user type `ops` who is logged in."""

    def __init__(self, auth: Auth, email: str = PIET) -> None:
        self.auth = auth
        self.account: Account = auth.create_user(email, "ops")
        self.log_in()

    def log_in(self) -> None:
        """Log in: the credential is fresh now."""
        self.tokens = self.auth.tokens(self.account.email, device_name="control room")

    @property
    def sid(self) -> str:
        return str(self.tokens["session"]["id"])

    def ask(self, path: str, **query: Any) -> Any:
        """GET a route, which must answer 200; return its body."""
        answer = self.auth.get(f"/api/ops/{path}/", self.tokens["access"], query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def post(self, path: str, **body: Any) -> Any:
        """POST to a route; return the answer."""
        headers = bearer(self.tokens["access"])
        return self.auth.client.post(f"/api/ops/{path}/", json=body, headers=headers)

    def done(self, path: str, **body: Any) -> Any:
        answer = self.post(path, **body)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def preview(self, **selection: Any) -> Any:
        return self.done("revocations", dry_run=True, **selection)

    def revoke(self, at_most: int = 1000, **selection: Any) -> Any:
        return self.done("revocations", dry_run=False, at_most=at_most, reason=WHY, **selection)


def hospital(auth: Auth) -> Logged:
    """Two nurses of two units and a patient, logged in, by e-mail."""
    auth.create_user(ANNA, unit="ICU", profile="high_security")
    auth.create_user(BEN, unit="Ward 7")
    auth.create_user(CLEO, user_type="patient", name="Cleo Marsh")
    return {email: auth.tokens(email, device_name=f"{email}'s") for email in (ANNA, BEN, CLEO)}


def sid(tokens: dict[str, Any]) -> str:
    return str(tokens["session"]["id"])


def unit_id(sql: Sql, name: str) -> int:
    return sql.scalars(select(Unit.id).where(Unit.name == name)).one()


def live(sql: Sql) -> set[str]:
    """Return the sessions that have not ended."""
    sql.rollback()
    return set(sql.scalars(select(Session.id).where(Session.ended_at.is_(None))))


def trail(sql: Sql, *names: str) -> list[AuditEvent]:
    """Return the events of these names, the oldest first."""
    sql.rollback()
    asked = select(AuditEvent).where(AuditEvent.event.in_(names)).order_by(AuditEvent.id)
    return list(sql.scalars(asked))


def passes(app: Flask, tokens: dict[str, Any]) -> bool:
    """Say whether an access token is let in."""
    return Auth(app).me(tokens["access"]).status_code == 200


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
