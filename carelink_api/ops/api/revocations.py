"""Use case of operators: revoke sessions, after a dry run, with a reason and a fresh credential.

One call works for some seconds and then says what remains; whoever asked asks again. So nothing
runs that nobody waits for, a call may be repeated, sent twice, or made by two people at once, and
what is done stays done wherever it stops.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session as Sql

from ... import clock
from ...accounts.models import Unit, User
from ...audit.events import Event
from ...audit.record import acting
from ...database import writing
from ...errors import Conflict, ValidationFailed
from ...sessions.acts import record_act, record_refusal
from ...sessions.addresses import Network, parse_range
from ...sessions.claims import AccessClaims
from ...sessions.models import Session
from ...sessions.revoking import (
    Selection,
    count_selected,
    demand_agreed_clock,
    revoke,
    selected,
)
from .operating import WORKS_FOR_SECONDS, demand_fresh_credential, demand_operator


class SelectionGrew(Conflict):
    """More than the operator has agreed to."""

    code, title = "selection_grew", "More sessions than expected"
    detail = "Nothing was ended: more sessions match than at_most says. Look again."

    def __init__(self, count: int) -> None:
        super().__init__(selected=count)


@dataclass(frozen=True)
class Selected:
    """What a selection holds now."""

    selected: int
    users: int
    by_user_type: list[dict[str, Any]]
    includes_own: bool


def preview(
    sql: Sql, claims: AccessClaims, named: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Say what a revocation would end. Raises Forbidden, ValidationFailed."""
    demand_operator(sql, claims, now=now)
    with writing(sql):
        selection = choose(sql, **named)
        found = _look(sql, selection, claims, now)
        record_act(sql, claims, Event.REVOCATION_PREVIEWED, now=now,
                   selected=found.selected, selection=selection.described())  # fmt: skip
    return asdict(found) | {"dry_run": True, "ended": 0, "remaining": found.selected, "done": False}


def carry_out(
    sql: Sql,
    claims: AccessClaims,
    named: dict[str, Any],
    reason: str,
    *,
    at_most: int,
    password: str | None,
    now: datetime,
) -> tuple[dict[str, Any], bool]:
    """End what is selected, for some seconds; return how far it came, and whether Redis knows.

    Raises Forbidden, ValidationFailed, InsufficientUserAuthentication, InvalidCredentials,
    ClocksApart, SelectionGrew.
    """
    demand_operator(sql, claims, now=now)
    purpose = "revocation"
    demand_fresh_credential(sql, claims, password, now=now, purpose=purpose)
    if named.get("everyone"):
        demand_agreed_clock(sql)
    selection, found = _begin(sql, claims, named, reason, at_most, now)
    ended, redis_knows, remaining = _work(sql, selection, claims, reason, now)
    with writing(sql):
        record_act(sql, claims, Event.REVOCATION_FINISHED, now=now, why=reason, ended=ended,
                   remaining=remaining, selection=selection.described())  # fmt: skip
    progress = {"ended": ended, "remaining": remaining, "done": not remaining}
    return asdict(found) | {"dry_run": False} | progress, redis_knows


def choose(sql: Sql, **named: Any) -> Selection:
    """Return the selection. Raises ValidationFailed for none, several, or what is not there."""
    if len(named) != 1:
        raise ValidationFailed({"_schema": ["Name exactly one thing to select sessions by."]})
    name, value = next(iter(named.items()))
    match name:
        case "session":
            owner_id = _known(sql, name, Session.id, Session.user_id, value)
            return Selection(sid=value, owner_id=owner_id)
        case "user_id":
            return Selection(user_id=_known(sql, name, User.id, User.id, value))
        case "unit_id":
            return Selection(unit=_known(sql, name, Unit.id, Unit.name, value))
        case "address_range":
            return Selection(address_range=_range(value), staff_only=True)
        case _:
            return Selection(**named)


def _range(text: str) -> Network:
    try:
        return parse_range(text)
    except ValueError as error:
        raise ValidationFailed({"address_range": [str(error)]}) from None


def _known(sql: Sql, name: str, column: Any, wanted: Any, value: Any) -> Any:
    found = sql.scalar(select(wanted).where(column == value))
    if found is None:
        raise ValidationFailed({name: ["There is none."]})
    return found


def _look(sql: Sql, selection: Selection, claims: AccessClaims, now: datetime) -> Selected:
    """Count what is selected: one statement."""
    is_own = case((Session.id == claims.sid, 1), else_=0)
    counted = (
        select(User.user_type, func.count(), func.count(User.id.distinct()), func.max(is_own))
        .select_from(Session)
        .join(User, Session.user_id == User.id)
        .where(*selected(selection, now))
        .group_by(User.user_type)
        .order_by(User.user_type)
    )
    rows = sql.execute(counted).all()
    return Selected(
        selected=sum(row[1] for row in rows),
        users=sum(row[2] for row in rows),
        by_user_type=[{"user_type": row[0], "sessions": row[1]} for row in rows],
        includes_own=any(row[3] for row in rows),
    )


def _begin(
    sql: Sql,
    claims: AccessClaims,
    named: dict[str, Any],
    reason: str,
    at_most: int,
    now: datetime,
) -> tuple[Selection, Selected]:
    """Look once more, and say in the trail what is about to be done. Raises SelectionGrew."""
    with writing(sql):
        selection = choose(sql, **named)
        found = _look(sql, selection, claims, now)
        if found.selected <= at_most:
            record_act(sql, claims, Event.REVOCATION_BEGUN, now=now, why=reason,
                       selected=found.selected, selection=selection.described())  # fmt: skip
            return selection, found
    record_refusal(sql, claims, Event.OPERATION_REFUSED, SelectionGrew.code, now=now,
                   selected=found.selected, at_most=at_most,
                   selection=selection.described())  # fmt: skip
    raise SelectionGrew(found.selected)


def _work(
    sql: Sql, selection: Selection, claims: AccessClaims, reason: str, now: datetime
) -> tuple[int, bool, int]:
    """End batch after batch while there is time; return how many, if Redis knows, what is left.

    The operator's own session comes last, and with it everyone's earlier logins are refused: so
    where only that one is left, the work is finished whatever the time.
    """
    ended, redis_knows, remaining = 0, True, 0
    until = clock.monotonic() + WORKS_FOR_SECONDS

    def enough() -> bool:
        nonlocal remaining
        if clock.monotonic() > until:
            remaining = count_selected(sql, selection, now=now, besides=claims.sid)
        return remaining > 0

    who = acting(claims.user_id)
    work = revoke(sql, selection, reason, now=now, actor=who, last=claims.sid, enough=enough)
    for batch in work:
        ended, redis_knows = ended + batch.ended, batch.redis_knows
    return ended, redis_knows, remaining
