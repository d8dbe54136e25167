"""What the bearer of an access token does, or is refused, as it stands in the audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session as Sql

from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..database import writing
from .claims import AccessClaims


def record_act(
    sql: Sql,
    claims: AccessClaims,
    event: Event,
    *,
    now: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str | None = None,
    about: int | None = None,
    **detail: Any,
) -> None:
    """Record what the bearer does, in the caller's transaction; `about` another user, if to one."""
    record(
        sql,
        event,
        now=now,
        outcome=outcome,
        reason=reason,
        actor=acting(claims.user_id),
        user_id=claims.user_id if about is None else about,
        sid=claims.sid,
        jti=claims.jti,
        **detail,
    )


def record_refusal(
    sql: Sql, claims: AccessClaims, event: Event, reason: str, *, now: datetime, **detail: Any
) -> None:
    """Record, in a transaction of its own, that the bearer was refused, and why."""
    with writing(sql):
        record_act(sql, claims, event, now=now, outcome=Outcome.REFUSED, reason=reason, **detail)
