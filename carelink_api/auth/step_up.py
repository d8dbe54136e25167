"""Step-up: ask again for the credential before something sensitive (ASVS 7.5.3, RFC 9470)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session as Sql

from ..accounts import service as accounts
from ..accounts.models import User
from ..accounts.passwords import passwords
from ..audit.events import Event, Outcome
from ..database import from_epoch, writing
from ..errors import BEARER, CareLinkError, InvalidCredentials
from ..sessions.acts import record_act
from ..sessions.claims import AccessClaims
from ..sessions.starting import lock_user

FRESH_FOR = timedelta(minutes=5)
"""How long a login counts as the credential just given."""


class InsufficientUserAuthentication(CareLinkError):
    """The token is good, but its login is too long ago for this (RFC 9470 §3)."""

    status, code = 401, "insufficient_user_authentication"
    title = "Insufficient user authentication"
    detail = "Send the password with it, or log in again: the last login is too long ago."

    def __init__(self) -> None:
        seconds = int(FRESH_FOR.total_seconds())
        challenge = f'{BEARER}, error="{self.code}", max_age="{seconds}"'
        super().__init__(headers={"WWW-Authenticate": challenge}, max_age=seconds)


@dataclass(frozen=True)
class Verified:
    """What was known of the account when its password turned out to be right."""

    password_hash: str = field(repr=False)
    has_failures: bool
    context: list[str]
    """What a guesser would know, for the check of a new password."""


def is_fresh(claims: AccessClaims, now: datetime) -> bool:
    """Say whether the credential was given at most five minutes ago, for this very session."""
    return now - from_epoch(claims.auth_time) <= FRESH_FOR


def demand_fresh_credential(
    sql: Sql, claims: AccessClaims, password: str | None, *, now: datetime, purpose: str
) -> None:
    """Demand a login of the last five minutes, or the password, for what cannot be undone.

    Raises InsufficientUserAuthentication, and InvalidCredentials after it has been audited.
    """
    if password is None:
        if not is_fresh(claims, now):
            raise InsufficientUserAuthentication()
        return
    known = verify_own_password(sql, password, claims, now=now, purpose=purpose)
    with writing(sql):  # nothing has changed since
        lock_user(sql, claims.user_id, known.password_hash, will_write=known.has_failures)
        if known.has_failures:
            accounts.record_success(sql, claims.user_id)


def verify_own_password(
    sql: Sql, password: str, claims: AccessClaims, *, now: datetime, **detail: Any
) -> Verified:
    """Verify the caller's password, outside any transaction: no lock waits for argon2.

    What is done with it must make sure that nothing has changed since (`lock_user`). Raises
    InvalidCredentials, which counts as a failed login: a stolen access token must not become a
    place to guess at. `detail` goes into the event of a refusal.
    """
    user = sql.get(User, claims.user_id)
    if user is None:
        raise InvalidCredentials()
    known = Verified(user.password_hash, bool(user.failed_logins), accounts.password_context(user))
    blocked = accounts.is_blocked(user, now)
    sql.rollback()
    right = passwords().verify(known.password_hash, password)
    if blocked or not right:
        reason = "blocked" if blocked else "wrong_password"
        record_refused_password(sql, claims, reason, now, **detail)
        raise InvalidCredentials()
    return known


def record_refused_password(
    sql: Sql, claims: AccessClaims, reason: str, now: datetime, **detail: Any
) -> None:
    """Audit a refused password of one's own, and count it where it was wrong."""
    with writing(sql):
        if reason == "wrong_password":
            accounts.record_failed_login(sql, claims.user_id, now)
        refused = {"outcome": Outcome.REFUSED, "reason": reason} | detail
        record_act(sql, claims, Event.PASSWORD_REFUSED, now=now, **refused)
