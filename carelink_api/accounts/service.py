"""Use cases of accounts that end no session; those that do live in `sessions.accounts`."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import ColumnElement, case, null, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Sql

from ..audit.events import Event
from ..audit.record import record
from ..database import writing
from ..errors import Conflict, NotFound, ValidationFailed
from ..session_profiles import ProfileName
from .login_delay import STEPS, delayed_until
from .models import Unit, User, UserType
from .password_rules import password_faults
from .passwords import NO_PASSWORD, passwords

_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]+")
_MAX_ADDRESS = 254
"""RFC 5321 §4.5.3.1.3, less the angle brackets."""


class EmailTaken(Conflict):
    code, title = "email_taken", "E-mail taken"
    detail = "There is an account with this e-mail already."


class UnitExists(Conflict):
    code, title = "unit_exists", "Unit exists"
    detail = "There is a unit of this name already."


class UnknownUser(NotFound):
    detail = "There is no account with this e-mail."


class WeakPassword(ValidationFailed):
    """The new password breaks a rule; `errors` holds a sentence for each."""

    def __init__(self, faults: list[str], *, field: str = "password") -> None:
        super().__init__({field: faults})


def normalise_email(text: str) -> str:
    """Return the one form of an e-mail address: case, spaces and Unicode form do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def find_user(sql: Sql, email: str) -> User | None:
    """Return the user of that address, or None; also for a text that can be no address."""
    address = normalise_email(email)
    if not _is_address(address):
        return None
    return sql.scalar(select(User).where(User.email == address))


def get_user(sql: Sql, email: str) -> User:
    """Return the user of that address. Raises UnknownUser."""
    if user := find_user(sql, email):
        return user
    raise UnknownUser()


def list_users(sql: Sql) -> Sequence[User]:
    """Return everyone, by address."""
    return sql.scalars(select(User).order_by(User.email)).all()


def create_user(
    sql: Sql,
    *,
    email: str,
    name: str,
    user_type: str,
    unit_name: str | None,
    password: str | None,
    now: datetime,
    actor: str,
    temporary: bool = False,
    **detail: Any,
) -> User:
    """Create an account, in a transaction of its own.

    Without a password nobody can log in before its owner has chosen one by a one-time code; a
    `temporary` one opens nothing but its own change. Raises EmailTaken, WeakPassword, Throttled,
    and ValidationFailed for anything malformed or a unit that does not exist.
    """
    address, name, checked_type = checked_person(email, name, user_type)
    context = [address, name, unit_name or ""]
    password_hash = (
        NO_PASSWORD if password is None else hash_new_password(password, context=context)
    )
    user = User(
        email=address,
        name=name,
        user_type=checked_type,
        password_hash=password_hash,
        must_change_password=temporary,
        created_at=now,
        password_changed_at=now,
        failed_logins=0,
    )
    with writing(sql):
        user.unit = None if unit_name is None else get_unit(sql, unit_name)
        _insert(sql, user, EmailTaken())
        record(sql, Event.USER_CREATED, now=now, actor=actor, user_id=user.id,
               user_type=checked_type, unit_id=user.unit_id, **detail)  # fmt: skip
    return user


def checked_person(email: str, name: str, user_type: str) -> tuple[str, str, UserType]:
    """Return the one form of what an account says of a person.

    Raises ValidationFailed with everything that is wrong with it.
    """
    errors: dict[str, Any] = {}
    if not _is_address(address := normalise_email(email)):
        errors["email"] = ["Is not an e-mail address."]
    if user_type not in list(UserType):
        errors["user_type"] = [f"Is none of {', '.join(UserType)}."]
    try:
        name = checked_person_name(name)
    except ValidationFailed as failed:
        errors |= failed.members["errors"]
    if errors:
        raise ValidationFailed(errors)
    return address, name, UserType(user_type)


def checked_person_name(name: str) -> str:
    """Return the one spelling of a person's name. Raises ValidationFailed."""
    return _checked_name("name", name, 200)


def hash_new_password(
    password: str, *, context: Sequence[str], field: str = "password", former: str | None = None
) -> str:
    """Check and hash a new password; call it before the write lock is taken: it takes long.

    `context` is from `password_context`; `field` is what the caller's body calls the password;
    `former` the one that it replaces, where that is known. Raises WeakPassword where
    `password_rules` finds a fault, Throttled.
    """
    if faults := password_faults(password, context=context, former=former):
        raise WeakPassword(faults, field=field)
    return passwords().hash(password)


def password_context(user: User) -> list[str]:
    """Return what a guesser knows about an account, for the check of a new password."""
    return [user.email, user.name, user.unit.name if user.unit else ""]


def list_units(sql: Sql) -> Sequence[Unit]:
    """Return every unit, by name."""
    return sql.scalars(select(Unit).order_by(Unit.name)).all()


def get_unit(sql: Sql, name: str) -> Unit:
    """Return the unit of that name. Raises ValidationFailed, also for what can be no name."""
    if _is_text(name) and (unit := sql.scalar(select(Unit).where(Unit.name == _spelt(name)))):
        return unit
    raise ValidationFailed({"unit": ["There is no unit of this name."]})


def create_unit(sql: Sql, *, name: str, profile: str | None, now: datetime, actor: str) -> Unit:
    """Create a unit, in a transaction of its own. Raises UnitExists, ValidationFailed."""
    if profile is not None and profile not in get_args(ProfileName):
        raise ValidationFailed({"profile": [f"Is none of {', '.join(get_args(ProfileName))}."]})
    unit = Unit(name=_checked_name("name", name, 100), session_profile=profile)
    with writing(sql):
        _insert(sql, unit, UnitExists())
        record(sql, Event.UNIT_CREATED, now=now, actor=actor, unit_id=unit.id, profile=profile)
    return unit


def is_blocked(user: User, now: datetime) -> bool:
    """Say whether failures in a row keep the account from logging in at `now`."""
    return user.blocked_until is not None and now < user.blocked_until


def record_failed_login(sql: Sql, user_id: int, now: datetime) -> int:
    """Count one more failure and block as `login_delay` says; return the failures in a row.

    One statement in the caller's transaction: no parallel guess is lost or goes uncounted.
    Attempts while the account is blocked are refused before, and not counted: else a stranger
    would reach the 100th within minutes.
    """
    failures = User.failed_logins + 1
    counted = (
        update(User)
        .where(User.id == user_id)
        .values(failed_logins=failures, blocked_until=_blocked_until(failures, now))
        .returning(User.failed_logins)
        .execution_options(synchronize_session=False)
    )
    return sql.execute(counted).scalar_one()


def _blocked_until(failures: ColumnElement[int], now: datetime) -> ColumnElement[Any]:
    """Express `delayed_until` in SQL, as only the database knows the count it will write."""
    steps = [(failures >= step, delayed_until(step, now)) for step in reversed(STEPS)]
    return case(*steps, else_=null())


def record_success(sql: Sql, user_id: int) -> None:
    """Forget the failures, in the caller's transaction; writes nothing where there are none."""
    sql.execute(
        update(User)
        .where(User.id == user_id, User.failed_logins > 0)
        .values(failed_logins=0, blocked_until=None)
        .execution_options(synchronize_session=False)
    )


def _insert(sql: Sql, row: User | Unit, taken: Conflict) -> None:
    sql.add(row)
    try:
        sql.flush()
    except IntegrityError:  # the unique constraint decides, so two at once cannot both pass
        raise taken from None


def _is_address(text: str) -> bool:
    return len(text) <= _MAX_ADDRESS and _is_text(text) and bool(_ADDRESS.fullmatch(text))


def _checked_name(field: str, text: str, max_length: int) -> str:
    name = _spelt(text)
    if not (0 < len(name) <= max_length and _is_text(name)):
        raise ValidationFailed({field: [f"Must be 1 to {max_length} characters of text."]})
    return name


def _spelt(name: str) -> str:
    """Return the one spelling of a name: spaces and Unicode form do not count."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def _is_text(text: str) -> bool:
    """Say whether every character shows itself: no control, no invisible, no half character."""
    return all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in text)
