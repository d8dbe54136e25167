"""Use case of operators: see how the stores are, and what to do."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from ...sessions.claims import AccessClaims
from ...sessions.models import Session
from ...sessions.runtime import runtime
from ..health import look
from .advice import advise
from .operating import demand_operator

_LATE = timedelta(minutes=2)


def look_at_stores(sql: Sql, claims: AccessClaims, *, now: datetime) -> dict[str, Any]:
    """Return a finding for each store, also while the database is away. Raises Forbidden."""
    demand_operator(sql, claims, now=now)
    parts = runtime()
    readiness = look(sql, parts)
    overdue = _count_overdue(sql, now) if readiness.database.ok else None
    findings = advise(readiness, breaker_open=parts.denylist.breaker_open, overdue=overdue)
    return {
        "at": now,
        "status": readiness.status,
        "findings": [asdict(finding) for finding in findings],
    }


def _count_overdue(sql: Sql, now: datetime) -> int | None:
    late = (Session.ended_at.is_(None), Session.expires_at < now - _LATE)
    try:
        return sql.scalar(select(func.count()).select_from(Session).where(*late)) or 0
    except SQLAlchemyError:  # it has gone since it was asked
        sql.rollback()
        return None
