"""Use case: start a session for a user whose credential has just been verified."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..audit.events import Event
from ..audit.record import acting, record
from ..config import Settings
from ..errors import InvalidCredentials
from .denylist import Entry
from .ending import end_sessions
from .grants import Grant, new_jti, new_sid
from .lifetimes import access_expiry, idle_deadline, profile_for, session_end
from .models import Session
from .reasons import EndReason
from .rows import SessionFacts, UserFacts


@dataclass(frozen=True)
class Device:
    """From where a session is started."""

    name: str | None
    address: str | None


@dataclass(frozen=True)
class Shift:
    """The shift that caps a session: the seam to the roster. `ends_at` includes the handoff."""

    id: int
    ends_at: datetime


def start_session(
    sql: Sql,
    user: User,
    settings: Settings,
    device: Device,
    *,
    now: datetime,
    shift: Shift | None = None,
) -> tuple[Grant, list[Entry]]:
    """Insert a session; return what it grants, and the sessions that the cap ended for it.

    The caller's transaction holds the user's row (`lock_user`).
    """
    name = profile_for(user.user_type, user.unit.session_profile if user.unit else None)
    profile = settings.session_profiles[name]
    capped = _end_beyond_cap(sql, user.id, settings.max_sessions_per_user, now)
    end = session_end(now, profile.absolute, shift.ends_at if shift else None)
    row = Session(
        id=new_sid(),
        user_id=user.id,
        profile=name,
        device_name=device.name,
        address=device.address,
        started_at=now,
        expires_at=end,
        latest_expires_at=end,
        shift_id=shift.id if shift else None,
        shift_ends_at=shift.ends_at if shift else None,
        last_active_at=now,
        generation=1,
        refresh_jti=new_jti(),
        refresh_issued_at=now,
        retired=[],
        used_generation=0,
        late_reissues=0,
        late_generation=0,
    )
    sql.add(row)
    sql.flush()
    record(
        sql,
        Event.LOGIN_SUCCEEDED,
        now=now,
        actor=acting(user.id),
        user_id=user.id,
        sid=row.id,
        jti=row.refresh_jti,
        profile=name,
        factors=["pwd"],
    )
    idle_at = idle_deadline(now, profile.idle)
    unit = user.unit.name if user.unit else None
    grant = Grant(
        UserFacts(user.id, user.email, user.name, user.user_type, unit),
        SessionFacts(
            row.id, name, now, row.expires_at, profile.idle_seconds, row.shift_id, row.shift_ends_at
        ),
        generation=1,
        issued_at=now,
        access_jti=new_jti(),
        access_expires=access_expiry(now, profile.access, row.expires_at, idle_at),
        refresh_jti=row.refresh_jti,
        refresh_issued_at=now,
        fresh=True,
    )
    return grant, capped


def lock_user(sql: Sql, user_id: int, password_hash: str, *, will_write: bool) -> User:
    """Lock the user's and unit's rows until commit, and make sure that nothing has changed.

    Whoever disables the user, or changes password, type or profile, updates those rows first and
    then looks for sessions: it either comes first and is seen here, or waits and finds ours.
    Raises InvalidCredentials.
    """
    query = select(User).where(User.id == user_id).execution_options(populate_existing=True)
    # A shared lock suffices to stop changes; two logins that both go on to write would deadlock.
    query = query.with_for_update(of=User, read=not will_write)
    user = sql.scalars(query).unique().one_or_none()
    if user is None or user.disabled_at is not None or user.password_hash != password_hash:
        raise InvalidCredentials()
    if user.unit_id is not None:
        sql.execute(select(Unit.id).where(Unit.id == user.unit_id).with_for_update(read=True))
        sql.refresh(user.unit)
    return user


def _end_beyond_cap(sql: Sql, user_id: int, cap: int, now: datetime) -> list[Entry]:
    """End the longest inactive sessions of a user who would have more than `cap` (ASVS 7.1.2)."""
    live = sql.scalars(
        select(Session.id)
        .where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now)
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
