"""Use case of operators: see how the stores are, and what to do."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session as Sql

from ...sessions.claims import AccessClaims
from ...sessions.runtime import runtime
from ..health import look
from .advice import advise
from .operating import demand_operator


def look_at_stores(sql: Sql, claims: AccessClaims, *, now: datetime) -> dict[str, Any]:
    """Return a finding for each store, also while the database is away. Raises Forbidden."""
    demand_operator(sql, claims, now=now)
    parts = runtime()
    readiness = look(sql, parts)
    findings = advise(readiness, breaker_open=parts.denylist.breaker_open)
    return {
        "at": now,
        "status": readiness.status,
        "findings": [asdict(finding) for finding in findings],
    }
