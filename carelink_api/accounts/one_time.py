"""One-time codes: made after somebody's identity was proved, hashed, one for each account."""

import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import record
from ..database import writing
from ..errors import Conflict, NotFound
from ..extensions import settings
from .codes import LIFETIME, MAX_REFUSALS, hash_of, new_code
from .models import OneTimeCode, User


class AccountDisabled(Conflict):
    code, title = "account_disabled", "Account disabled"
    detail = "The account is disabled. Enable it first."


@dataclass(frozen=True)
class IssuedCode:
    """A code as its owner gets it; it is not stored and never shown again."""

    text: str = field(repr=False)
    expires_at: datetime


def make_code(
    sql: Sql,
    user_id: int,
    *,
    now: datetime,
    actor: str,
    why: str,
    lifetime: timedelta = LIFETIME,
    only_for: Collection[str] | None = None,
) -> IssuedCode:
    """Make an account's one-time code, in a transaction of its own; a former one is void then.

    `why` says how it was made sure who asks; an account that is (by now) of none of the user types
    `only_for` is not found. Raises NotFound, AccountDisabled.
    """
    with writing(sql):
        locked = (
            select(User.disabled_at, User.user_type).where(User.id == user_id).with_for_update()
        )
        user = sql.execute(locked).one_or_none()
        if user is None or (only_for is not None and user.user_type not in only_for):
            raise NotFound()
        if user.disabled_at is not None:
            raise AccountDisabled()
        forget_code(sql, user_id)
        row, issued = prepared(user_id, now, lifetime)
        sql.add(row)
        record(sql, Event.CODE_MADE, now=now, actor=actor, user_id=user_id, why=why,
               minutes=int(lifetime.total_seconds() // 60))  # fmt: skip
    return issued


def prepared(user_id: int, now: datetime, lifetime: timedelta) -> tuple[OneTimeCode, IssuedCode]:
    """Return a new code's row, and the code itself."""
    text, expires_at = new_code(), (now + lifetime).replace(microsecond=0)
    digest = hash_of(text, user_id, settings().jwt_secret_key.get_secret_value())
    row = OneTimeCode(user_id=user_id, code_hash=digest, expires_at=expires_at, refusals=0)
    return row, IssuedCode(text, expires_at)


def find_code(sql: Sql, user_id: int) -> OneTimeCode | None:
    """Return the account's code, used up or not, or None where there is none."""
    return sql.get(OneTimeCode, user_id, populate_existing=True)


def fault_of(code: OneTimeCode | None, typed: str, now: datetime) -> str | None:
    """Return why what was typed does not open the account, for the audit trail; None: it does.

    Compared in constant time. After a change of the secret the former one's counts, as long as it
    verifies tokens.
    """
    if code is None:
        return "no_code"
    digests = [hash_of(typed, code.user_id, secret) for secret in settings().jwt_secrets]
    if not any(hmac.compare_digest(code.code_hash, each) for each in digests):
        return "wrong_code"
    if code.refusals >= MAX_REFUSALS:
        return "too_many_refusals"
    return "expired_code" if now >= code.expires_at else None


def count_refusal(sql: Sql, user_id: int) -> None:
    """Count one more wrong code, in the caller's transaction: in the row, so that none is lost."""
    sql.execute(
        update(OneTimeCode)
        .where(OneTimeCode.user_id == user_id)
        .values(refusals=OneTimeCode.refusals + 1)
        .execution_options(synchronize_session=False)
    )


def use_up(sql: Sql, user_id: int, code_hash: str) -> bool:
    """Take the code away, in the caller's transaction; return whether it was still that one."""
    which = (OneTimeCode.user_id == user_id, OneTimeCode.code_hash == code_hash)
    used = sql.execute(delete(OneTimeCode).where(*which).returning(OneTimeCode.user_id))
    return used.one_or_none() is not None


def forget_code(sql: Sql, user_id: int) -> None:
    """Make the account's code void, if it has one, in the caller's transaction."""
    void = delete(OneTimeCode).where(OneTimeCode.user_id == user_id)
    sql.execute(void.execution_options(synchronize_session=False))
