"""Use cases of operators on the denylist in Redis: look at it, drop its entries."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session as Sql

from ... import clock
from ...audit.record import acting
from ...errors import Unavailable
from ...extensions import settings
from ...redis_client import STORE_ERRORS
from ...sessions.changes import count_refused
from ...sessions.claims import AccessClaims
from ...sessions.denylist import Denylist
from ..flushing import count_held, flush, record_flush
from ..health import redis_warnings
from ..redis_facts import answering_denylist, described, nodes
from .operating import WORKS_FOR_SECONDS, demand_fresh_credential, demand_operator

log = structlog.get_logger(__name__)

COUNTED_AT_MOST = 200_000


class RedisUnavailable(Unavailable):
    detail = "Redis does not answer. Nothing was changed, and nobody gets in: the workers ask SQL."


def look_at_denylist(sql: Sql, claims: AccessClaims, *, now: datetime) -> dict[str, Any]:
    """Return what Redis holds and should hold, and how its servers are set up. Raises Forbidden.

    Redis may be down: that is what somebody wants to see here.
    """
    demand_operator(sql, claims, now=now)
    should_hold = count_refused(sql, now)
    sql.rollback()  # nothing stays open while Redis is read
    try:
        with answering_denylist(settings()) as denylist:
            held = count_held(denylist, at_most=COUNTED_AT_MOST)
            found = {
                "answers": True,
                "entries": asdict(held) | {"complete": held.total < COUNTED_AT_MOST},
                "servers": [described(*node) for node in nodes(denylist.client).items()],
                "warnings": redis_warnings(denylist.client, settings().redis_attested),
            }
    except STORE_ERRORS as error:
        log.warning("denylist_not_read", kind=type(error).__name__)
        found = {"answers": False, "entries": None, "servers": [], "warnings": []}
    return found | {"should_hold_sessions": should_hold}


def flush_denylist(
    sql: Sql, claims: AccessClaims, reason: str, *, password: str | None, now: datetime
) -> dict[str, Any]:
    """Drop the entries that nothing depends on, for some seconds; see `flushing`.

    Raises Forbidden, InsufficientUserAuthentication, InvalidCredentials, Unavailable.
    """
    demand_operator(sql, claims, now=now)
    demand_fresh_credential(sql, claims, password, now=now, purpose="denylist_flush")
    try:
        with answering_denylist(settings()) as denylist:
            before = count_held(denylist, at_most=COUNTED_AT_MOST)
            who = {"actor": acting(claims.user_id), "by_sid": claims.sid}
            record_flush(sql, before, user_id=None, now=now, why=reason, **who)
            return _drop(sql, denylist, now)
    except STORE_ERRORS as error:
        log.warning("denylist_not_flushed", kind=type(error).__name__)
        raise RedisUnavailable() from error


def _drop(sql: Sql, denylist: Denylist, now: datetime) -> dict[str, Any]:
    removed = kept = 0
    begun = clock.monotonic()
    for step in flush(sql, denylist, now=now):
        removed, kept = removed + step.removed, kept + step.kept
        if clock.monotonic() - begun > WORKS_FOR_SECONDS:
            return {"removed": removed, "kept": kept, "done": False}
    return {"removed": removed, "kept": kept, "done": True}
