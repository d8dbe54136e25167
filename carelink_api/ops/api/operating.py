"""Who operates, and what is demanded of them first."""

from datetime import datetime

from sqlalchemy.orm import Session as Sql

from ...accounts.models import UserType
from ...audit.events import Event
from ...auth import step_up
from ...auth.step_up import InsufficientUserAuthentication
from ...errors import Forbidden
from ...sessions.acts import record_refusal
from ...sessions.claims import AccessClaims

WORKS_FOR_SECONDS = 5.0
"""How long a call works; who sees that something is left sends it again."""
OPERATORS = frozenset({UserType.OPS})
"""Not admins: who manages accounts and judges emergencies does not also end everybody's sessions,
and sees a unit's only (`/api/units/…`). Fewer accounts whose theft would reach everything."""


def demand_operator(sql: Sql, claims: AccessClaims, *, now: datetime) -> None:
    """Let operators pass. Raises Forbidden, after it has been audited."""
    if claims.user_type in OPERATORS:
        return
    record_refusal(sql, claims, Event.OPERATION_REFUSED, "not_an_operator", now=now)
    raise Forbidden()


def demand_fresh_credential(
    sql: Sql, claims: AccessClaims, password: str | None, *, now: datetime, purpose: str
) -> None:
    """Demand a login of the last five minutes, or the password, for what cannot be undone.

    Raises InsufficientUserAuthentication, InvalidCredentials; either leaves an event.
    """
    try:
        step_up.demand_fresh_credential(sql, claims, password, now=now, purpose=purpose)
    except InsufficientUserAuthentication:
        event, reason = Event.OPERATION_REFUSED, "credential_not_fresh"
        record_refusal(sql, claims, event, reason, now=now, purpose=purpose)
        raise
