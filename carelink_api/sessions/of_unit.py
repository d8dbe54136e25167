"""Use cases of a charge nurse: see and end the sessions at her unit's workstations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import User
from ..audit.record import acting
from ..database import writing
from ..shifts.service import on_shift_in
from .ending import MAX_BATCH, end_sessions, publish
from .models import Session, live_at
from .reasons import EndReason


@dataclass(frozen=True, slots=True)
class Workstation:
    """A live session of a unit, as its charge nurse sees it."""

    id: str
    user_id: int
    user_name: str
    device_name: str | None
    address: str | None
    started_at: datetime
    last_active_at: datetime
    expires_at: datetime


_COLUMNS = (
    Session.id,
    Session.user_id,
    User.name,
    Session.device_name,
    Session.address,
    Session.started_at,
    Session.last_active_at,
    Session.expires_at,
)


def list_of_unit(
    sql: Sql, unit_id: int, *, page: int, page_size: int, now: datetime
) -> tuple[Sequence[Workstation], int]:
    """Return a page of the unit's live sessions, the latest first; and how many there are."""
    here = _of_unit(unit_id, now)
    rows = sql.execute(
        select(*_COLUMNS)
        .join(User, Session.user_id == User.id)
        .where(*here)
        .order_by(Session.started_at.desc(), Session.id)
        .offset((page - 1) * page_size)
        .limit(page_size)
    )
    total = sql.scalar(select(func.count()).select_from(Session).where(*here))
    return [Workstation(*row) for row in rows], total or 0


def end_of_unit(
    sql: Sql,
    unit_id: int,
    *,
    user_id: int,
    own_sid: str,
    why: str,
    now: datetime,
    session: str | None = None,
    device_name: str | None = None,
) -> tuple[int, bool]:
    """End the unit's sessions but the asker's, or only one, or only those of one device.

    Returns how many, and whether Redis knows.
    """
    which = [*_of_unit(unit_id, now), Session.id != own_sid]
    if session is not None:
        which.append(Session.id == session)
    if device_name is not None:
        which.append(Session.device_name == device_name)
    told: dict[str, Any] = {"actor": acting(user_id), "why": why, "unit_id": unit_id}
    ended, redis_knows = 0, True
    while True:
        with writing(sql):
            sids = sql.scalars(select(Session.id).where(*which).limit(MAX_BATCH)).all()
            if not sids:
                return ended, redis_knows
            chosen = Session.id.in_(sids)
            entries = end_sessions(sql, chosen, reason=EndReason.REVOKED, now=now, **told)
        ended += len(entries)
        redis_knows = publish(entries) and redis_knows


def _of_unit(unit_id: int, now: datetime) -> list[ColumnElement[bool]]:
    """Express: live, and of who works in the unit.

    Whom shifts bind works where her shift is, whatever her home unit; the others at home.
    """
    by_shift = Session.shift_id.is_not(None) & Session.user_id.in_(on_shift_in(unit_id, now))
    at_home = select(User.id).where(User.unit_id == unit_id)
    by_home = Session.shift_id.is_(None) & Session.user_id.in_(at_home)
    return [*live_at(now), or_(by_shift, by_home)]
