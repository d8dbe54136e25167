"""Who operates, and what every use case of an operator leaves in the audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session as Sql

from ...accounts.models import UserType
from ...audit.events import Event, Outcome
from ...audit.record import acting, record
from ...auth import step_up
from ...auth.step_up import InsufficientUserAuthentication
from ...database import writing
from ...errors import Forbidden
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
    with writing(sql):
        record_act(sql, claims, Event.OPERATION_REFUSED, now, outcome=Outcome.REFUSED,
                   reason="not_an_operator")  # fmt: skip
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
        with writing(sql):
            record_act(sql, claims, Event.OPERATION_REFUSED, now, outcome=Outcome.REFUSED,
                       reason="credential_not_fresh", purpose=purpose)  # fmt: skip
        raise


def record_act(
    sql: Sql,
    claims: AccessClaims,
    event: Event,
    now: datetime,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str | None = None,
    **detail: Any,
) -> None:
    """Record what the operator does, in the caller's transaction."""
    record(
        sql,
        event,
        now=now,
        outcome=outcome,
        reason=reason,
        actor=acting(claims.user_id),
        user_id=claims.user_id,
        sid=claims.sid,
        jti=claims.jti,
        **detail,
    )
