"""Use cases that change an account and therefore end sessions.

Each changes the account's row first and looks for sessions afterwards, so that a login that runs
at the same time is either seen here or waits for the row and is refused (`starting.lock_user`).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..audit.events import Event
from ..audit.record import acting, record
from ..config import Settings
from ..database import writing
from ..errors import InvalidCredentials, NotFound, TokenNotValid
from .denylist import Entry
from .ending import MAX_BATCH, end_sessions, publish
from .grants import Grant, grant_from, new_jti
from .lifetimes import is_stricter, profile_for
from .models import Session
from .reasons import EndReason, public_reason
from .rotation import why_over
from .rows import load

_FORGIVEN: dict[str, object] = {"failed_logins": 0, "blocked_until": None}
"""What an account's owner or an operator wipes out: both or neither."""


def disable_user(sql: Sql, user_id: int, *, now: datetime, actor: str) -> tuple[int, bool]:
    """Disable an account and end its sessions; return how many, and whether Redis knows.

    Raises NotFound where there is no such account (ASVS 7.4.2).
    """
    with writing(sql):
        _change_user(sql, user_id, disabled_at=now)
        record(sql, Event.USER_DISABLED, now=now, actor=actor, user_id=user_id)
        entries = _end_all_of(sql, user_id, EndReason.USER_DISABLED, now, actor)
    return len(entries), publish(entries)


def enable_user(sql: Sql, user_id: int, *, now: datetime, actor: str) -> None:
    """Let an account log in again, its count of failures forgotten. Raises NotFound."""
    with writing(sql):
        _change_user(sql, user_id, disabled_at=None, **_FORGIVEN)
        record(sql, Event.USER_ENABLED, now=now, actor=actor, user_id=user_id)


def set_password(
    sql: Sql, user_id: int, password_hash: str, *, now: datetime, actor: str
) -> tuple[int, bool]:
    """Set a password from outside the account and end its sessions (ASVS 7.4.3).

    Returns how many sessions, and whether Redis knows. Raises NotFound.
    """
    with writing(sql):
        changed = {"password_hash": password_hash, "password_changed_at": now}
        _change_user(sql, user_id, **changed, **_FORGIVEN)
        record(sql, Event.PASSWORD_CHANGED, now=now, actor=actor, user_id=user_id)
        entries = _end_all_of(sql, user_id, EndReason.PASSWORD_CHANGED, now, actor)
    return len(entries), publish(entries)


def change_own_password(
    sql: Sql,
    user_id: int,
    sid: str,
    settings: Settings,
    *,
    verified_hash: str,
    new_hash: str,
    now: datetime,
) -> tuple[Grant, bool]:
    """Change one's own password; end the other sessions, and start this one's next generation.

    The old refresh token of this session is retired without grace. Returns the new pair's grant,
    and whether Redis knows of the others. Raises InvalidCredentials where the account or the
    session has changed since the current password was verified, TokenNotValid where it is over.
    """
    with writing(sql):
        _replace_hash(sql, user_id, sid, verified_hash, new_hash, now)
        record(
            sql, Event.PASSWORD_CHANGED, now=now, actor=acting(user_id), user_id=user_id, sid=sid
        )
        entries = _end_all_of(
            sql, user_id, EndReason.PASSWORD_CHANGED, now, acting(user_id), except_sid=sid
        )
        grant = _next_generation(sql, sid, settings, now)
    return grant, publish(entries)


def change_user(
    sql: Sql, user_id: int, user_type: str, unit_id: int | None, *, now: datetime, actor: str
) -> tuple[int, bool]:
    """Change an account's type and unit; a new type or a stricter profile ends its sessions.

    Returns how many sessions, and whether Redis knows. Raises NotFound.
    """
    with writing(sql):
        # Locked before they are compared: first the user, then the units, as a login does.
        before = sql.execute(
            select(User.user_type, User.unit_id).where(User.id == user_id).with_for_update()
        ).one_or_none()
        if before is None:
            raise NotFound()
        former = profile_for(before.user_type, _unit_profile(sql, before.unit_id))
        stricter = is_stricter(profile_for(user_type, _unit_profile(sql, unit_id)), former)
        _change_user(sql, user_id, user_type=user_type, unit_id=unit_id)
        record(sql, Event.USER_CHANGED, now=now, actor=actor, user_id=user_id)
        entries: list[Entry] = []
        if stricter or user_type != before.user_type:
            entries = _end_all_of(sql, user_id, EndReason.REVOKED, now, actor)
    return len(entries), publish(entries)


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
        for start in range(0, len(laxer), MAX_BATCH):  # a statement takes only so many parameters
            which = Session.id.in_(laxer[start : start + MAX_BATCH])
            entries += end_sessions(sql, which, reason=EndReason.REVOKED, now=now, actor=actor)
    return len(entries), publish(entries)


def _unit_profile(sql: Sql, unit_id: int | None) -> str | None:
    locked = select(Unit.session_profile).where(Unit.id == unit_id).with_for_update(read=True)
    return sql.scalar(locked)


def _live_and_laxer_than(sql: Sql, unit_id: int, profile: str | None) -> Sequence[str]:
    live = sql.execute(
        select(Session.id, Session.profile, User.user_type)
        .join(User, Session.user_id == User.id)
        .where(User.unit_id == unit_id, Session.ended_at.is_(None))
    )
    return [row.id for row in live if is_stricter(profile_for(row.user_type, profile), row.profile)]


def _replace_hash(
    sql: Sql, user_id: int, sid: str, verified_hash: str, new_hash: str, now: datetime
) -> None:
    goes_on = exists().where(Session.id == sid, Session.ended_at.is_(None))
    unchanged = (User.password_hash == verified_hash, User.disabled_at.is_(None))
    changed = {"password_hash": new_hash, "password_changed_at": now}
    if not _update_user(sql, user_id, *unchanged, goes_on, **changed, **_FORGIVEN):
        raise InvalidCredentials()


def _change_user(sql: Sql, user_id: int, **values: object) -> None:
    if not _update_user(sql, user_id, **values):
        raise NotFound()


def _update_user(
    sql: Sql, user_id: int, *conditions: ColumnElement[bool], **values: object
) -> bool:
    """Change the user's row if it meets the conditions; return whether it did."""
    changed = sql.execute(
        update(User)
        .where(User.id == user_id, *conditions)
        .values(**values)
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    return changed.one_or_none() is not None


def _end_all_of(
    sql: Sql,
    user_id: int,
    reason: EndReason,
    now: datetime,
    actor: str,
    *,
    except_sid: str | None = None,
) -> list[Entry]:
    which = [Session.user_id == user_id]
    if except_sid is not None:
        which.append(Session.id != except_sid)
    return end_sessions(sql, *which, reason=reason, now=now, actor=actor)


def _next_generation(sql: Sql, sid: str, settings: Settings, now: datetime) -> Grant:
    jti = new_jti()
    sql.execute(
        update(Session)
        .where(Session.id == sid, Session.ended_at.is_(None))
        .values(
            generation=Session.generation + 1,
            refresh_jti=jti,
            refresh_issued_at=now,
            predecessor_retired_at=None,
            retired=[],
            late_reissues=0,
        )
        .execution_options(synchronize_session=False)
    )
    row = load(sql, sid, settings)
    if row is None or row.refresh_jti != jti:  # ended between the two statements
        raise InvalidCredentials()
    if reason := why_over(row.lineage, now):  # its access token still had the leeway
        raise TokenNotValid(public_reason(reason))
    return grant_from(row, now, settings)
