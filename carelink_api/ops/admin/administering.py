"""Who administers whose account, and what a refusal leaves in the audit trail."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User, UserType
from ...audit.events import Event
from ...errors import Forbidden, NotFound
from ...sessions.acts import record_refusal
from ...sessions.claims import AccessClaims

ADMINISTRATORS = frozenset({UserType.ADMIN})
ADMINISTERED = (UserType.PATIENT, UserType.DOCTOR, UserType.NURSE, UserType.RESEARCHER)
"""Not administrators and operators, so nobody's own account either: who takes one administrator's
session must not make themselves others, nor an operator (`docs/decisions/20-lost-passwords.md`)."""


class NotAdministered(Forbidden):
    code, title = "not_administered", "Not administered here"
    detail = (
        "Accounts of administrators and operators, one's own among them, are changed at the "
        "server: flask users."
    )


def demand_administrator(sql: Sql, claims: AccessClaims, *, now: datetime) -> None:
    """Let administrators pass. Raises Forbidden, after it has been audited."""
    if claims.user_type not in ADMINISTRATORS:
        record_refusal(sql, claims, Event.OPERATION_REFUSED, "not_an_administrator", now=now)
        raise Forbidden()


def demand_administered(sql: Sql, claims: AccessClaims, user_id: int, *, now: datetime) -> None:
    """Let an administrator pass to an account that is theirs to change.

    Raises NotFound; Forbidden and NotAdministered after they have been audited.
    """
    demand_administrator(sql, claims, now=now)
    user_type = sql.scalar(select(User.user_type).where(User.id == user_id))
    if user_type is None:
        raise NotFound()
    if user_type not in ADMINISTERED:
        event, reason = Event.OPERATION_REFUSED, "not_administered"
        record_refusal(sql, claims, event, reason, now=now, about=user_id)
        raise NotAdministered()
