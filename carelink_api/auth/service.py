"""Use case of the auth blueprint that is more than one call into the core."""

from datetime import datetime

from sqlalchemy.orm import Session as Sql

from ..accounts import service as accounts
from ..errors import InvalidCredentials
from ..extensions import settings
from ..sessions.claims import AccessClaims
from ..sessions.grants import Grant
from ..sessions.passwords import change_own_password
from .step_up import record_refused_password, verify_own_password


def change_password(
    sql: Sql, current: str, new: str, claims: AccessClaims, *, by_cookie: bool, now: datetime
) -> tuple[Grant, bool]:
    """Change the own password; return this session's next grant, and whether Redis knows.

    Raises InvalidCredentials for a wrong current password, WeakPassword for the new one (ASVS
    6.2.3), CookieMissing for a session whose cookie has not come along, and changes nothing then.
    """
    known = verify_own_password(sql, current, claims, now=now)
    new_hash = accounts.hash_new_password(
        new, context=known.context, field="new_password", former=current
    )
    try:
        return change_own_password(
            sql,
            claims.user_id,
            claims.sid,
            settings(),
            verified_hash=known.password_hash,
            new_hash=new_hash,
            by_cookie=by_cookie,
            now=now,
        )
    except InvalidCredentials:  # account or session has changed since: audited as at a login
        record_refused_password(sql, claims, "changed_meanwhile", now)
        raise
