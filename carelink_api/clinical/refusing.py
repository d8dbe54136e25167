"""Refusals of what is about nobody's record: they leave an event, too."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session as Sql

from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..database import writing
from ..sessions.claims import AccessClaims


def record_refusal(
    sql: Sql, viewer: AccessClaims, event: Event, reason: str, *, now: datetime, **detail: Any
) -> None:
    """Write, in a transaction of its own, that somebody was refused, and why."""
    with writing(sql):
        record(
            sql,
            event,
            now=now,
            outcome=Outcome.REFUSED,
            reason=reason,
            actor=acting(viewer.user_id),
            user_id=viewer.user_id,
            sid=viewer.sid,
            jti=viewer.jti,
            **detail,
        )
