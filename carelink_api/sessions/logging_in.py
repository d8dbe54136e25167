"""Use case: log in. Outside, every refusal looks and costs the same (ASVS 6.3.8)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session as Sql

from ..accounts import service as accounts
from ..accounts.login_delay import KNOWN_ADDRESS_FAILURES
from ..accounts.models import User
from ..accounts.passwords import passwords
from ..audit.events import Event, Outcome
from ..audit.record import record
from ..database import writing
from ..errors import InvalidCredentials, OutsideShift, PasswordChangeRequired
from ..extensions import settings
from .binding import duty_for_login
from .denylist import Entry
from .ending import publish
from .grants import Grant
from .models import Session
from .passwords import change_at_login
from .starting import Device, lock_user, start_session

KNOWN_FOR = timedelta(days=30)
_AFTER_THE_PASSWORD: dict[type[Exception], str] = {
    InvalidCredentials: "changed_meanwhile",
    OutsideShift: "outside_shift",
    PasswordChangeRequired: "password_change_required",
    accounts.WeakPassword: "weak_password",
}
"""What may still refuse a login whose password was right, and how the trail names it."""


@dataclass(frozen=True)
class Attempt:
    """What somebody claims to be, and from where."""

    email: str
    password: str = field(repr=False)
    user_type: str | None
    device: Device
    new_password: str | None = field(default=None, repr=False)
    """To be the password from now on."""


@dataclass(frozen=True)
class _Account:
    """What is known before the password has been verified, read in a transaction of its own."""

    id: int
    password_hash: str
    refused: str | None
    """Why even the right password would not do."""
    has_failures: bool
    must_change_password: bool
    context: list[str]
    """What a guesser would know, for the check of a new password."""


@dataclass(frozen=True)
class _NewHash:
    """What the login writes in place of the password's hash."""

    value: str
    is_another_password: bool
    """Else the same one, by today's parameters."""


def log_in(sql: Sql, attempt: Attempt, *, now: datetime) -> Grant:
    """Return a new session's grant.

    With a new password it is changed first, and the sessions of the former one end. Raises
    InvalidCredentials, and after the right password only: OutsideShift, PasswordChangeRequired,
    WeakPassword for the new one. Raises Throttled (too many hash at once).

    The password is verified outside any transaction, so that no lock and no connection waits for
    argon2; the transaction that starts the session makes sure that nothing has changed since.
    """
    account = _look_up(sql, attempt, now)
    sql.rollback()
    right = passwords().verify(account.password_hash if account else None, attempt.password)
    refused = "unknown_user" if account is None else account.refused
    if account is None or refused or not right:
        _record_refusal(sql, account, refused or "wrong_password", now)
        raise InvalidCredentials()
    try:
        new_hash = _new_hash(account, attempt)
        with writing(sql):
            grant, ended = _start(sql, account, attempt, new_hash, now)
    except tuple(_AFTER_THE_PASSWORD) as error:
        _record_refusal(sql, account, _AFTER_THE_PASSWORD[type(error)], now)
        raise
    publish(ended)
    return grant


def _look_up(sql: Sql, attempt: Attempt, now: datetime) -> _Account | None:
    user = accounts.find_user(sql, attempt.email)
    if user is None:
        return None
    refused = None
    if user.disabled_at is not None:
        refused = "disabled"
    elif attempt.user_type is not None and attempt.user_type != user.user_type:
        refused = "wrong_user_type"
    elif accounts.is_blocked(user, now) and not _is_known_from(sql, user, attempt.device, now):
        refused = "blocked"
    return _Account(
        user.id,
        user.password_hash,
        refused,
        bool(user.failed_logins),
        user.must_change_password,
        accounts.password_context(user),
    )


def _is_known_from(sql: Sql, user: User, device: Device, now: datetime) -> bool:
    """Return whether the user has logged in from this address lately.

    A stranger who guesses must not lock the owner out (ASVS 6.1.1). A colleague behind the same
    address could otherwise reach the 100th failure, which locks for good, within minutes: so the
    exemption ends long before it.
    """
    if user.failed_logins >= KNOWN_ADDRESS_FAILURES or device.address is None:
        return False
    lately = exists().where(
        Session.user_id == user.id,
        Session.address == device.address,
        Session.started_at > now - KNOWN_FOR,
    )
    return bool(sql.scalar(select(lately)))


def _start(
    sql: Sql, account: _Account, attempt: Attempt, new_hash: _NewHash | None, now: datetime
) -> tuple[Grant, list[Entry]]:
    will_write = account.has_failures or new_hash is not None
    user = lock_user(sql, account.id, account.password_hash, will_write=will_write)
    duty = duty_for_login(sql, user, settings(), now)
    if account.has_failures:
        accounts.record_success(sql, user.id)
    ended: list[Entry] = []
    if new_hash is not None and new_hash.is_another_password:
        ended = change_at_login(sql, user.id, new_hash.value, now)
    elif new_hash is not None:
        _store_rehash(sql, user, new_hash.value, now)
    grant, capped = start_session(sql, user, settings(), attempt.device, now=now, duty=duty)
    return grant, [*ended, *capped]


def _new_hash(account: _Account, attempt: Attempt) -> _NewHash | None:
    """Return the hash of a new password, or of this one where the stored hash is of older kind."""
    if attempt.new_password is not None:
        new, context = attempt.new_password, account.context
        hashed = accounts.hash_new_password(
            new, context=context, field="new_password", former=attempt.password
        )
        return _NewHash(hashed, is_another_password=True)
    if account.must_change_password:
        raise PasswordChangeRequired()
    hasher = passwords()
    if not hasher.needs_rehash(account.password_hash):
        return None
    return _NewHash(hasher.hash(attempt.password), is_another_password=False)


def _store_rehash(sql: Sql, user: User, new_hash: str, now: datetime) -> None:
    sql.execute(
        update(User)
        .where(User.id == user.id, User.password_hash == user.password_hash)
        .values(password_hash=new_hash)
        .execution_options(synchronize_session=False)
    )
    record(sql, Event.PASSWORD_REHASHED, now=now, user_id=user.id)


def _record_refusal(sql: Sql, account: _Account | None, reason: str, now: datetime) -> None:
    with writing(sql):
        if account is not None and reason == "wrong_password":
            accounts.record_failed_login(sql, account.id, now)
        record(
            sql,
            Event.LOGIN_BLOCKED if reason == "blocked" else Event.LOGIN_REFUSED,
            now=now,
            outcome=Outcome.REFUSED,
            reason=reason,
            user_id=account.id if account else None,
        )
