"""The statements on one session's row, and what they return to the rules.

They are built once and run on the connection: a refresh spends its time here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..audit.record import event_parameters, inserted_with
from ..audit.stored import EVENTS
from ..config import Settings
from ..database import from_epoch, write_lock
from .lifetimes import idle_deadline
from .models import SESSIONS, Session
from .rotation import Lineage


@dataclass(frozen=True)
class UserFacts:
    """What tokens and answers say about a user."""

    id: int
    email: str
    name: str
    user_type: str
    unit: str | None


@dataclass(frozen=True)
class SessionFacts:
    """What answers say about a session."""

    id: str
    profile: str
    started_at: datetime
    expires_at: datetime
    idle_timeout_seconds: int
    shift_id: int | None
    shift_ends_at: datetime | None
    by_cookie: bool


@dataclass(frozen=True)
class Loaded:
    """A session's row, joined with its user."""

    user: UserFacts
    session: SessionFacts
    lineage: Lineage
    refresh_jti: str
    refresh_issued_at: datetime
    password_changed_at: datetime


_UNREAD = ("device_name", "address", "latest_expires_at", "change_number")
_LOAD = (
    select(*(column for column in SESSIONS.columns if column.name not in _UNREAD),
           User.email, User.name, User.user_type, User.disabled_at, User.password_changed_at,
           Unit.name.label("unit"))
    .join(User, Session.user_id == User.id)
    .outerjoin(Unit, User.unit_id == Unit.id)
    .where(Session.id == bindparam("sid"))
)  # fmt: skip
_SWAP = (
    update(SESSIONS)
    .where(
        Session.id == bindparam("which"),
        Session.generation == bindparam("expected"),
        Session.ended_at.is_(None),
    )
    .returning(Session.id)
)
_FORGIVABLE = or_(
    Session.generation == bindparam("given"),
    and_(Session.generation == bindparam("given") + 1, Session.predecessor_retired_at.is_not(None)),
)
_GOES_ON = (
    select(Session.id)
    .where(Session.id == bindparam("which"), Session.ended_at.is_(None), _FORGIVABLE)
    .with_for_update(read=True)
)
_ROTATED = (
    "generation", "refresh_jti", "refresh_issued_at", "predecessor_retired_at", "retired",
    "late_reissues",
)  # fmt: skip
_ROTATION = {name: bindparam(f"new_{name}", type_=SESSIONS.c[name].type) for name in _ROTATED}
_ROTATE_AND_TELL = inserted_with(_SWAP.values(_ROTATION).cte("swapped")).execution_options(
    preserve_rowcount=True
)


def load(connection: Connection, sid: str, settings: Settings) -> Loaded | None:
    """Read a session with its user in one statement; None where there is no such session."""
    row = connection.execute(_LOAD, {"sid": sid}).one_or_none()
    return None if row is None else _loaded(row, settings)


def _loaded(row: Row[*tuple[Any, ...]], settings: Settings) -> Loaded:
    profile = settings.session_profiles[row.profile]
    return Loaded(
        user=UserFacts(row.user_id, row.email, row.name, row.user_type, row.unit),
        session=SessionFacts(
            row.id,
            row.profile,
            row.started_at,
            row.expires_at,
            profile.idle_seconds,
            row.shift_id,
            row.shift_ends_at,
            row.by_cookie,
        ),
        lineage=Lineage(
            generation=row.generation,
            predecessor_retired_at=row.predecessor_retired_at,
            retired=[(int(generation), from_epoch(at)) for generation, at in row.retired],
            used_generation=row.used_generation,
            late_reissues=row.late_reissues,
            late_generation=row.late_generation,
            expires_at=row.expires_at,
            shift_ends_at=row.shift_ends_at,
            idle=profile.idle,
            idle_at=idle_deadline(row.last_active_at, profile.idle),
            ended_reason=row.end_reason if row.ended_at is not None else None,
            refuse_from=row.refuse_from,
            user_disabled=row.disabled_at is not None,
            by_cookie=row.by_cookie,
        ),
        refresh_jti=row.refresh_jti,
        refresh_issued_at=row.refresh_issued_at,
        password_changed_at=row.password_changed_at,
    )


def compare_and_swap(sql: Sql, sid: str, expected: int, /, **values: Any) -> bool:
    """Change the row if it still has the expected generation and goes on; return whether it did."""
    wanted = {"which": sid, "expected": expected}
    return sql.connection().execute(_SWAP, wanted | values).one_or_none() is not None


def goes_on(sql: Sql, sid: str, generation: int) -> bool:
    """Return whether a session has not ended and that generation may be given to its holder still:
    it is the current one, or was rotated a moment ago. Keep it so until the transaction ends.
    """
    asked = {"which": sid, "given": generation}
    return sql.connection().execute(_GOES_ON, asked).one_or_none() is not None


def rotate_and_tell(
    connection: Connection,
    sid: str,
    expected: int,
    rotation: Mapping[str, Any],
    event: Mapping[str, Any],
) -> bool:
    """Swap as above and write the event, both or neither; return whether it did.

    PostgreSQL does both in one statement, on a connection that is in no transaction.
    """
    which = {"which": sid, "expected": expected}
    if connection.dialect.name == "postgresql":
        new = {f"new_{name}": value for name, value in rotation.items()}
        parameters = which | new | event_parameters(event)
        return connection.execute(_ROTATE_AND_TELL, parameters).rowcount == 1
    connection.rollback()  # it has only read
    with write_lock(connection) as locked:
        swapped = locked.execute(_SWAP, which | dict(rotation)).one_or_none() is not None
        if swapped:
            locked.execute(insert(EVENTS), event)
    return swapped
