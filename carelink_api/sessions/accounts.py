"""Use cases that change an account and therefore end sessions; passwords have `passwords`.

Each changes the account's row first and looks for sessions afterwards, so that a login that runs
at the same time is either seen here or waits for the row and is refused (`starting.lock_user`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..accounts.one_time import forget_code
from ..audit.events import Event
from ..audit.record import record
from ..database import writing
from ..errors import NotFound
from ..shifts.models import Shift
from .batches import batches
from .denylist import Entry
from .ending import MAX_BATCH, end_sessions, publish
from .lifetimes import is_stricter, profile_for
from .models import Session
from .reasons import EndReason

FORGIVEN: dict[str, object] = {"failed_logins": 0, "blocked_until": None}
"""What an account's owner or an operator wipes out: both or neither."""


@dataclass(frozen=True)
class Change:
    """What becomes of an account; None stays as it is."""

    name: str | None = None
    user_type: str | None = None
    unit_id: int | None = None
    no_unit: bool = False

    def values(self) -> dict[str, Any]:
        """Return the columns that change."""
        named = {"name": self.name, "user_type": self.user_type, "unit_id": self.unit_id}
        given = {column: value for column, value in named.items() if value is not None}
        return given | ({"unit_id": None} if self.no_unit else {})


UserTypes = Collection[str] | None
"""An account that is (by now) of none of these is not found; None: of any."""


def disable_user(
    sql: Sql,
    user_id: int,
    *,
    now: datetime,
    actor: str,
    only_for: UserTypes = None,
    **detail: Any,
) -> tuple[int, bool]:
    """Disable an account and end its sessions; return how many, and whether Redis knows.

    `detail` goes into the event, here and below. Raises NotFound where there is no such account
    (ASVS 7.4.2).
    """
    with writing(sql):
        _must_update(sql, user_id, only_for, disabled_at=now)
        forget_code(sql, user_id)
        record(sql, Event.USER_DISABLED, now=now, actor=actor, user_id=user_id, **detail)
        entries = end_all_of(sql, user_id, EndReason.USER_DISABLED, now, actor)
    return len(entries), publish(entries)


def enable_user(
    sql: Sql,
    user_id: int,
    *,
    now: datetime,
    actor: str,
    only_for: UserTypes = None,
    **detail: Any,
) -> None:
    """Let an account log in again, its count of failures forgotten. Raises NotFound."""
    with writing(sql):
        _must_update(sql, user_id, only_for, disabled_at=None, **FORGIVEN)
        record(sql, Event.USER_ENABLED, now=now, actor=actor, user_id=user_id, **detail)


def change_user(
    sql: Sql, user_id: int, change: Change, *, now: datetime, actor: str, **detail: Any
) -> tuple[int, bool]:
    """Change an account's name, type or unit; a new type or a stricter profile ends its sessions.

    Returns how many sessions, and whether Redis knows. Raises NotFound.
    """
    with writing(sql):
        entries = apply_change(sql, user_id, change, now=now, actor=actor, **detail)
    return len(entries), publish(entries)


def apply_change(
    sql: Sql,
    user_id: int,
    change: Change,
    *,
    now: datetime,
    actor: str,
    only_for: UserTypes = None,
    **detail: Any,
) -> list[Entry]:
    """Do what `change_user` does, in the caller's transaction; return what Redis has to learn."""
    # Locked before they are compared: first the user, then the units, as a login does.
    before = sql.execute(
        select(User.user_type, User.unit_id).where(User.id == user_id).with_for_update()
    ).one_or_none()
    if before is None or (only_for is not None and before.user_type not in only_for):
        raise NotFound()
    after = {"user_type": before.user_type, "unit_id": before.unit_id} | change.values()
    former = profile_for(before.user_type, _unit_profile(sql, before.unit_id))
    wanted = profile_for(after["user_type"], _unit_profile(sql, after["unit_id"]))
    must_update_user(sql, user_id, **after)
    record(sql, Event.USER_CHANGED, now=now, actor=actor, user_id=user_id,
           changed=sorted(change.values()), **detail)  # fmt: skip
    if after["user_type"] != before.user_type:
        forget_code(sql, user_id)  # it was made for who may do less, or something else
    elif not is_stricter(wanted, former):
        return []
    return end_all_of(sql, user_id, EndReason.REVOKED, now, actor)


def change_unit_profile(
    sql: Sql, unit_id: int, profile: str | None, *, now: datetime, actor: str
) -> tuple[int, bool]:
    """Change a unit's session profile; sessions that would now be stricter end.

    Returns how many sessions, and whether Redis knows. Raises NotFound.
    """
    with writing(sql):
        changed = sql.execute(
            update(Unit)
            .where(Unit.id == unit_id)
            .values(session_profile=profile)
            .returning(Unit.id)
        ).one_or_none()
        if changed is None:
            raise NotFound()
        record(sql, Event.UNIT_CHANGED, now=now, actor=actor, unit_id=unit_id, profile=profile)
        laxer = _live_and_laxer_than(sql, unit_id, profile)
        entries: list[Entry] = []
        for some in batches(laxer, MAX_BATCH):
            which = Session.id.in_(some)
            entries += end_sessions(sql, which, reason=EndReason.REVOKED, now=now, actor=actor)
    return len(entries), publish(entries)


def _unit_profile(sql: Sql, unit_id: int | None) -> str | None:
    locked = select(Unit.session_profile).where(Unit.id == unit_id).with_for_update(read=True)
    return sql.scalar(locked)


def _live_and_laxer_than(sql: Sql, unit_id: int, profile: str | None) -> Sequence[str]:
    on_shift_there = Session.shift_id.in_(select(Shift.id).where(Shift.unit_id == unit_id))
    live = sql.execute(
        select(Session.id, Session.profile, User.user_type)
        .join(User, Session.user_id == User.id)
        .where(or_(User.unit_id == unit_id, on_shift_there), Session.ended_at.is_(None))
    )
    return [row.id for row in live if is_stricter(profile_for(row.user_type, profile), row.profile)]


def must_update_user(sql: Sql, user_id: int, **values: object) -> None:
    """Change the user's row, in the caller's transaction. Raises NotFound."""
    if not update_user(sql, user_id, **values):
        raise NotFound()


def _must_update(sql: Sql, user_id: int, only_for: UserTypes, **values: object) -> None:
    of_these = [] if only_for is None else [User.user_type.in_(only_for)]
    if not update_user(sql, user_id, *of_these, **values):
        raise NotFound()


def update_user(sql: Sql, user_id: int, *conditions: ColumnElement[bool], **values: object) -> bool:
    """Change the user's row if it meets the conditions; return whether it did."""
    changed = sql.execute(
        update(User)
        .where(User.id == user_id, *conditions)
        .values(**values)
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    return changed.one_or_none() is not None


def end_all_of(
    sql: Sql,
    user_id: int,
    reason: EndReason,
    now: datetime,
    actor: str,
    *,
    except_sid: str | None = None,
) -> list[Entry]:
    """End the user's sessions, in the caller's transaction; return what Redis has to learn."""
    which = [Session.user_id == user_id]
    if except_sid is not None:
        which.append(Session.id != except_sid)
    return end_sessions(sql, *which, reason=reason, now=now, actor=actor)
