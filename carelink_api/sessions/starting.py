"""Use case: start a session for a user whose credential has just been verified."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import lazyload
from sqlalchemy.orm.attributes import set_committed_value

from .. import web
from ..accounts.models import Unit, User
from ..audit.events import Event
from ..audit.record import acting, record
from ..config import Settings
from ..errors import InvalidCredentials
from ..shifts.rules import Duty
from .denylist import Entry
from .ending import end_sessions
from .grants import Grant, grant_from, new_jti, new_sid
from .lifetimes import profile_for, session_end
from .models import Session, live_at
from .reasons import EndReason
from .rows import load


@dataclass(frozen=True)
class Device:
    """From where a session is started."""

    name: str | None
    address: str | None
    by_cookie: bool = False
    """Whether it keeps the refresh token in a cookie."""


def start_session(
    sql: Sql,
    user: User,
    settings: Settings,
    device: Device,
    *,
    now: datetime,
    duty: Duty | None = None,
) -> tuple[Grant, list[Entry]]:
    """Insert a session; return what it grants, and the sessions that the cap ended for it.

    The caller's transaction holds the rows of the user (`lock_user`) and of the shifts that cap it.
    """
    capped = _end_beyond_cap(sql, user.id, settings.max_sessions_per_user, now)
    profile = profile_for(user.user_type, *_unit_profiles(sql, user, duty))
    started = _new_session(user, profile, settings, device, duty, now)
    sql.add(started)
    sql.flush()
    web.note_role(user.user_type)
    record(
        sql,
        Event.LOGIN_SUCCEEDED,
        now=now,
        actor=acting(user.id),
        user_id=user.id,
        sid=started.id,
        jti=started.refresh_jti,
        profile=started.profile,
        shift_id=started.shift_id,
        factors=["pwd"],
    )
    row = load(sql.connection(), started.id, settings)
    assert row is not None  # inserted above, in this transaction
    return replace(grant_from(row, now, settings), fresh=True), capped


def _unit_profiles(sql: Sql, user: User, duty: Duty | None) -> list[str | None]:
    """Return the profiles of the home unit and of those of the shifts, locked until commit."""
    home = [user.unit.session_profile] if user.unit else []
    away = sorted((duty.unit_ids if duty else frozenset()) - {user.unit_id})
    if not away:
        return home
    units = select(Unit.session_profile).where(Unit.id.in_(away)).order_by(Unit.id)
    return home + list(sql.scalars(units.with_for_update(read=True)))


def _new_session(
    user: User,
    profile: str,
    settings: Settings,
    device: Device,
    duty: Duty | None,
    now: datetime,
) -> Session:
    absolute = settings.session_profiles[profile].absolute
    end = session_end(now, absolute, duty.ends_at if duty else None)
    return Session(
        id=new_sid(),
        user_id=user.id,
        profile=profile,
        device_name=device.name,
        address=device.address,
        by_cookie=device.by_cookie,
        started_at=now,
        expires_at=end,
        latest_expires_at=end,
        shift_id=duty.shift_id if duty else None,
        shift_ends_at=duty.ends_at if duty else None,
        last_active_at=now,
        generation=1,
        refresh_jti=new_jti(),
        refresh_issued_at=now,
        retired=[],
        used_generation=0,
        late_reissues=0,
        late_generation=0,
    )


def lock_user(sql: Sql, user_id: int, password_hash: str, *, will_write: bool) -> User:
    """Lock the user's and unit's rows until commit, and make sure that nothing has changed.

    Whoever disables the user, or changes password, type or profile, updates those rows first and
    then looks for sessions: it either comes first and is seen here, or waits and finds ours.
    Raises InvalidCredentials.
    """
    query = select(User).where(User.id == user_id).options(lazyload(User.unit))
    query = query.execution_options(populate_existing=True)
    # A shared lock suffices to stop changes; two logins that both go on to write would deadlock.
    query = query.with_for_update(of=User, read=not will_write)
    user = sql.scalars(query).one_or_none()
    if user is None or user.disabled_at is not None or user.password_hash != password_hash:
        raise InvalidCredentials()
    if user.unit_id is not None:
        # Not joined: beside a user's row that had to be waited for, PostgreSQL would show the unit
        # of before, or none where the user has moved.
        unit = select(Unit).where(Unit.id == user.unit_id).with_for_update(read=True)
        locked = sql.scalars(unit.execution_options(populate_existing=True)).one()
        set_committed_value(user, "unit", locked)
    return user


def _end_beyond_cap(sql: Sql, user_id: int, cap: int, now: datetime) -> list[Entry]:
    """End the longest inactive sessions of a user who would have more than `cap` (ASVS 7.1.2)."""
    live = sql.scalars(
        select(Session.id)
        .where(Session.user_id == user_id, *live_at(now))
        .order_by(Session.last_active_at.desc(), Session.id)
        .offset(cap - 1)
    ).all()
    if not live:
        return []
    return end_sessions(
        sql,
        Session.id.in_(live),
        reason=EndReason.SESSION_CAP,
        now=now,
        actor=acting(user_id),
    )
