"""Use cases that write a password: by an operator, by its owner, at a login, by a one-time code.

Each ends the sessions that the former password has begun, and makes an account's code void.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import exists, update
from sqlalchemy.orm import Session as Sql

from ..accounts import one_time
from ..accounts import service as accounts
from ..accounts.models import User
from ..accounts.passwords import passwords
from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..config import Settings
from ..database import writing
from ..errors import InvalidCredentials, InvalidRequest, TokenNotValid
from .accounts import FORGIVEN, end_all_of, must_update_user, update_user
from .denylist import Entry
from .ending import publish
from .grants import Grant, grant_from, new_jti
from .models import Session
from .reasons import EndReason, public_reason
from .rotation import why_over
from .rows import load


class CookieMissing(InvalidRequest):
    """The next refresh token would have gone into the body, and the one in the cookie been lost."""

    detail = (
        "This session's refresh token is in a cookie: send it along (credentials: include), so "
        "that the next one can go there. Nothing was changed."
    )


@dataclass(frozen=True)
class Reset:
    """What somebody without a password shows, and the password that they choose."""

    email: str
    code: str = field(repr=False)
    new_password: str = field(repr=False)


@dataclass(frozen=True)
class _Account:
    """What is known before the new password has been hashed, read in a transaction of its own."""

    id: int
    refused: str | None
    """Why the code opens nothing."""
    code_hash: str
    context: list[str]


def set_password(
    sql: Sql,
    user_id: int,
    password_hash: str,
    *,
    now: datetime,
    actor: str,
    temporary: bool = False,
) -> tuple[int, bool]:
    """Set a password from outside the account and end its sessions (ASVS 7.4.3).

    A temporary one opens nothing but its own change. Returns how many sessions, and whether Redis
    knows. Raises NotFound.
    """
    with writing(sql):
        changed = _changed(password_hash, now) | {"must_change_password": temporary}
        must_update_user(sql, user_id, **changed)
        record(sql, Event.PASSWORD_CHANGED, now=now, actor=actor, user_id=user_id, by="operator")
        entries = _leave_nothing(sql, user_id, now, actor)
    return len(entries), publish(entries)


def change_own_password(
    sql: Sql,
    user_id: int,
    sid: str,
    settings: Settings,
    *,
    verified_hash: str,
    new_hash: str,
    by_cookie: bool,
    now: datetime,
) -> tuple[Grant, bool]:
    """Change one's own password; end the other sessions, and start this one's next generation.

    The old refresh token of this session is retired without grace. Returns the new pair's grant,
    and whether Redis knows of the others. Raises InvalidCredentials where the account or the
    session has changed since the current password was verified, TokenNotValid where it is over,
    CookieMissing where the session's token is in a cookie that has not come along.
    """
    actor = acting(user_id)
    with writing(sql):
        goes_on = exists().where(Session.id == sid, Session.ended_at.is_(None))
        unchanged = (User.password_hash == verified_hash, User.disabled_at.is_(None))
        if not update_user(sql, user_id, *unchanged, goes_on, **_changed(new_hash, now)):
            raise InvalidCredentials()
        record(sql, Event.PASSWORD_CHANGED, now=now, actor=actor, user_id=user_id, sid=sid)
        entries = _leave_nothing(sql, user_id, now, actor, except_sid=sid)
        grant = _next_generation(sql, sid, settings, now)
        if grant.session.by_cookie and not by_cookie:
            raise CookieMissing()
    return grant, publish(entries)


def change_at_login(sql: Sql, user_id: int, new_hash: str, now: datetime) -> list[Entry]:
    """Change the password in a login's transaction, which holds the user's row, before it starts.

    Returns the sessions that this has ended.
    """
    must_update_user(sql, user_id, **_changed(new_hash, now))
    actor = acting(user_id)
    record(sql, Event.PASSWORD_CHANGED, now=now, actor=actor, user_id=user_id, by="login")
    return _leave_nothing(sql, user_id, now, actor)


def reset_password(sql: Sql, reset: Reset, *, now: datetime) -> tuple[int, bool]:
    """Change a forgotten password by a one-time code, which is used up; end all sessions.

    Returns how many sessions, and whether Redis knows. Raises InvalidCredentials, alike and at the
    cost of one hash for whatever is wrong; only who has shown the code learns, by WeakPassword,
    that the password breaks a rule. Raises Throttled (too many hash at once).
    """
    account = _look_up(sql, reset, now)
    sql.rollback()
    if account is None or account.refused:
        passwords().verify(None, reset.new_password)
        _record_refusal(sql, account, account.refused if account else None, now)
        raise InvalidCredentials()
    try:
        new_hash = accounts.hash_new_password(
            reset.new_password, context=account.context, field="new_password"
        )
        with writing(sql):
            entries = _use_code(sql, account, new_hash, now)
    except accounts.WeakPassword:
        _record_refusal(sql, account, "weak_password", now)
        raise
    except InvalidCredentials:
        _record_refusal(sql, account, "changed_meanwhile", now)
        raise
    return len(entries), publish(entries)


def _look_up(sql: Sql, reset: Reset, now: datetime) -> _Account | None:
    user = accounts.find_user(sql, reset.email)
    if user is None:
        return None
    code = one_time.find_code(sql, user.id)
    refused = one_time.fault_of(code, reset.code, now)
    if user.disabled_at is not None:
        refused = "disabled"
    held = code.code_hash if code else ""
    return _Account(user.id, refused, held, accounts.password_context(user))


def _use_code(sql: Sql, account: _Account, new_hash: str, now: datetime) -> list[Entry]:
    """Change the row first: of two who use the code at once the second waits, and finds none."""
    actor = acting(account.id)
    enabled = User.disabled_at.is_(None)
    if not (
        update_user(sql, account.id, enabled, **_changed(new_hash, now))
        and one_time.use_up(sql, account.id, account.code_hash)
    ):
        raise InvalidCredentials()
    record(sql, Event.CODE_USED, now=now, actor=actor, user_id=account.id)
    record(sql, Event.PASSWORD_CHANGED, now=now, actor=actor, user_id=account.id, by="code")
    return _leave_nothing(sql, account.id, now, actor)


def _record_refusal(sql: Sql, account: _Account | None, reason: str | None, now: datetime) -> None:
    with writing(sql):
        if account is not None and reason == "wrong_code":
            one_time.count_refusal(sql, account.id)
        record(
            sql,
            Event.CODE_REFUSED,
            now=now,
            outcome=Outcome.REFUSED,
            reason=reason or "unknown_user",
            user_id=account.id if account else None,
        )


def _changed(password_hash: str, now: datetime) -> dict[str, object]:
    """Return what a new password changes in its account's row."""
    new = {"password_hash": password_hash, "password_changed_at": now}
    return new | {"must_change_password": False} | FORGIVEN


def _leave_nothing(
    sql: Sql, user_id: int, now: datetime, actor: str, *, except_sid: str | None = None
) -> list[Entry]:
    """Take away what the former password has opened, and what would open the account beside it."""
    one_time.forget_code(sql, user_id)
    reason = EndReason.PASSWORD_CHANGED
    return end_all_of(sql, user_id, reason, now, actor, except_sid=except_sid)


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
    row = load(sql.connection(), sid, settings)
    if row is None or row.refresh_jti != jti:  # ended between the two statements
        raise InvalidCredentials()
    if reason := why_over(row.lineage, now):  # its access token still had the leeway
        raise TokenNotValid(public_reason(reason))
    return grant_from(row, now, settings)
