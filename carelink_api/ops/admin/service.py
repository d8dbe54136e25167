"""Use cases of administrators. What they do to an account is what the console's commands do."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import lazyload

from ...accounts import service as accounts
from ...accounts.login_delay import NEVER
from ...accounts.models import OneTimeCode, Unit, User
from ...accounts.one_time import IssuedCode, make_code
from ...accounts.passwords import NO_PASSWORD
from ...audit.events import Event
from ...audit.record import acting
from ...clinical.paging import Page, read_page
from ...database import writing
from ...errors import NotFound, ValidationFailed
from ...sessions import accounts as sessions_of
from ...sessions.accounts import Change
from ...sessions.acts import record_act
from ...sessions.claims import AccessClaims
from ..api.operating import demand_fresh_credential
from .administering import ADMINISTERED, demand_administered, demand_administrator

Shown = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What an administrator says beside what is to be done."""

    claims: AccessClaims
    reason: str
    password: str | None
    """The administrator's own, unless the login is fresh."""
    now: datetime

    @property
    def actor(self) -> str:
        return acting(self.claims.user_id)


def list_accounts(
    sql: Sql, claims: AccessClaims, *, now: datetime, page: int, page_size: int, **filters: Any
) -> Page[Shown]:
    """Return a page of accounts by name. Raises Forbidden.

    The search is audited, by the names of what was searched for.
    """
    demand_administrator(sql, claims, now=now)
    with writing(sql):
        asked = _ACCOUNTS.where(*(_CONDITIONS[name](value) for name, value in filters.items()))
        asked = asked.order_by(User.name, User.id)
        found = read_page(sql, asked, page=page, page_size=page_size)
        record_act(sql, claims, Event.USERS_LISTED, now=now, by=sorted(filters))
        return found.map(lambda row: _shown(row, now))


def look_at(sql: Sql, claims: AccessClaims, user_id: int, *, now: datetime) -> Shown:
    """Return one account. Raises Forbidden, NotFound."""
    demand_administrator(sql, claims, now=now)
    with writing(sql):
        shown = _account(sql, user_id, now)
        record_act(sql, claims, Event.USER_READ, now=now, about=user_id)
    return shown


def create(
    sql: Sql, order: Order, *, email: str, name: str, user_type: str, unit_id: int | None
) -> Shown:
    """Create an account without a password: its owner chooses one by a one-time code.

    Raises Forbidden, InsufficientUserAuthentication, InvalidCredentials, EmailTaken,
    ValidationFailed.
    """
    demand_administrator(sql, order.claims, now=order.now)
    _demand_credential(sql, order, "create_account")
    user = accounts.create_user(
        sql, email=email, name=name, user_type=user_type, unit_name=_unit_name(sql, unit_id),
        password=None, now=order.now, actor=order.actor, why=order.reason,
    )  # fmt: skip
    return _account(sql, user.id, order.now)


def change(sql: Sql, order: Order, user_id: int, wanted: Change) -> tuple[Shown, bool]:
    """Change name, unit or type; return the account and `sessions_ended`, and whether Redis knows.

    Raises as `create` does, and NotFound, NotAdministered.
    """
    _demand(sql, order, user_id, "change_account")
    _unit_name(sql, wanted.unit_id)
    if wanted.name is not None:
        wanted = replace(wanted, name=accounts.checked_person_name(wanted.name))
    ended, redis_knows = sessions_of.change_user(
        sql, user_id, wanted,
        now=order.now, actor=order.actor, why=order.reason, only_for=ADMINISTERED,
    )  # fmt: skip
    return _account(sql, user_id, order.now) | {"sessions_ended": ended}, redis_knows


def disable(sql: Sql, order: Order, user_id: int) -> tuple[Shown, bool]:
    """Disable an account and end its sessions; return and raise as `change` does."""
    _demand(sql, order, user_id, "disable_account")
    ended, redis_knows = sessions_of.disable_user(
        sql, user_id, now=order.now, actor=order.actor, why=order.reason, only_for=ADMINISTERED
    )
    return _account(sql, user_id, order.now) | {"sessions_ended": ended}, redis_knows


def enable(sql: Sql, order: Order, user_id: int) -> Shown:
    """Let an account log in again, its failures forgotten; raise as `change` does."""
    _demand(sql, order, user_id, "enable_account")
    sessions_of.enable_user(
        sql, user_id, now=order.now, actor=order.actor, why=order.reason, only_for=ADMINISTERED
    )
    return _account(sql, user_id, order.now)


def code_for(sql: Sql, order: Order, user_id: int) -> IssuedCode:
    """Make a one-time code; the reason says how it was made sure who asks.

    Raises as `change` does, and AccountDisabled.
    """
    _demand(sql, order, user_id, "make_code")
    return make_code(
        sql, user_id, now=order.now, actor=order.actor, why=order.reason, only_for=ADMINISTERED
    )


def _demand(sql: Sql, order: Order, user_id: int, purpose: str) -> None:
    demand_administered(sql, order.claims, user_id, now=order.now)
    _demand_credential(sql, order, purpose)


def _demand_credential(sql: Sql, order: Order, purpose: str) -> None:
    demand_fresh_credential(sql, order.claims, order.password, now=order.now, purpose=purpose)


def _unit_name(sql: Sql, unit_id: int | None) -> str | None:
    if unit_id is None:
        return None
    unit = sql.get(Unit, unit_id)
    if unit is None:
        raise ValidationFailed({"unit_id": ["There is no such unit."]})
    return unit.name


_ACCOUNTS: Select[*tuple[Any, ...]] = (
    select(User, Unit, OneTimeCode.expires_at)
    .outerjoin(Unit, User.unit_id == Unit.id)
    .outerjoin(OneTimeCode, OneTimeCode.user_id == User.id)
    .options(lazyload(User.unit))
)


def _says(text: str) -> ColumnElement[bool]:
    return or_(*(each.icontains(text, autoescape=True) for each in (User.name, User.email)))


_CONDITIONS: dict[str, Any] = {
    "q": _says,
    "user_type": lambda user_type: User.user_type == user_type,
    "unit_id": lambda unit_id: User.unit_id == unit_id,
    "state": lambda state: (
        User.disabled_at.is_(None) if state == "enabled" else User.disabled_at.is_not(None)
    ),
}


def _account(sql: Sql, user_id: int, now: datetime) -> Shown:
    asked = _ACCOUNTS.where(User.id == user_id).execution_options(populate_existing=True)
    row = sql.execute(asked).one_or_none()
    if row is None:
        raise NotFound()
    return _shown(row, now)


def _shown(row: Row[*tuple[Any, ...]], now: datetime) -> Shown:
    user, unit, code_expires_at = row
    blocked = accounts.is_blocked(user, now)
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "user_type": user.user_type,
        "unit": unit and {"id": unit.id, "name": unit.name},
        "state": "disabled" if user.disabled_at else "blocked" if blocked else "enabled",
        "blocked_until": None if user.blocked_until == NEVER else user.blocked_until,
        "password_state": _password_state(user),
        "password_changed_at": user.password_changed_at,
        "code_expires_at": code_expires_at,
        "created_at": user.created_at,
        "administered": user.user_type in ADMINISTERED,
    }


def _password_state(user: User) -> str:
    if user.password_hash == NO_PASSWORD:
        return "none"
    return "temporary" if user.must_change_password else "own"
