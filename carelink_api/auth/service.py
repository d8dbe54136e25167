"""Use case of the auth blueprint that is more than one call into the core."""

from datetime import datetime

from sqlalchemy.orm import Session as Sql

from ..accounts import service as accounts
from ..accounts.models import User
from ..accounts.passwords import passwords
from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..database import writing
from ..errors import InvalidCredentials
from ..extensions import settings
from ..sessions.accounts import change_own_password
from ..sessions.claims import AccessClaims
from ..sessions.grants import Grant


def change_password(
    sql: Sql, current: str, new: str, claims: AccessClaims, *, now: datetime
) -> tuple[Grant, bool]:
    """Change the own password; return this session's next grant, and whether Redis knows.

    Raises InvalidCredentials for a wrong current password, WeakPassword for the new one (ASVS
    6.2.3), and changes nothing then.
    """
    user = sql.get(User, claims.user_id)
    if user is None:
        raise InvalidCredentials()
    verified_hash, context = user.password_hash, accounts.password_context(user)
    blocked = accounts.is_blocked(user, now)
    sql.rollback()  # no lock and no connection waits for argon2
    right = passwords().verify(verified_hash, current)
    if blocked or not right:  # a stolen access token must not become a place to guess at
        _record_refusal(sql, claims, "blocked" if blocked else "wrong_password", now)
        raise InvalidCredentials()
    new_hash = accounts.hash_new_password(new, context=context, field="new_password")
    try:
        return change_own_password(
            sql,
            claims.user_id,
            claims.sid,
            settings(),
            verified_hash=verified_hash,
            new_hash=new_hash,
            now=now,
        )
    except InvalidCredentials:  # account or session has changed since: audited as at a login
        _record_refusal(sql, claims, "changed_meanwhile", now)
        raise


def _record_refusal(sql: Sql, claims: AccessClaims, reason: str, now: datetime) -> None:
    with writing(sql):
        if reason == "wrong_password":
            accounts.record_failed_login(sql, claims.user_id, now)
        record(
            sql,
            Event.PASSWORD_REFUSED,
            now=now,
            outcome=Outcome.REFUSED,
            reason=reason,
            actor=acting(claims.user_id),
            user_id=claims.user_id,
            sid=claims.sid,
            jti=claims.jti,
        )
