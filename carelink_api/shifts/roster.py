"""Changing the roster, in the caller's transaction. What it does to sessions is `sessions`' part.

Locks are taken in one order: users, shifts, and then what `sessions` takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, Table, exists, func, insert, select, update
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..config import Settings
from ..errors import Conflict, ValidationFailed
from .models import Shift
from .rules import Editor, shift_faults

_NOBODY = "There is nobody of this id who works shifts."
_TABLE = cast(Table, Shift.__table__)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a shift says."""

    user_id: int
    unit_id: int
    starts_at: datetime
    ends_at: datetime
    in_charge: bool = False

    @property
    def key(self) -> tuple[int, int, datetime, datetime]:
        """What makes two shifts the same."""
        return self.user_id, self.unit_id, self.starts_at, self.ends_at

    def described(self) -> dict[str, Any]:
        """Return it for an audit event."""
        times = {"starts_at": self.starts_at.isoformat(), "ends_at": self.ends_at.isoformat()}
        return {"unit_id": self.unit_id, **times, "in_charge": self.in_charge}


@dataclass(frozen=True, slots=True)
class Rostered:
    """A shift as the roster shows it."""

    id: int
    user_id: int
    user_name: str
    unit_id: int
    unit_name: str
    starts_at: datetime
    ends_at: datetime
    in_charge: bool
    cancelled_at: datetime | None
    version: int

    @property
    def draft(self) -> Draft:
        return Draft(self.user_id, self.unit_id, self.starts_at, self.ends_at, self.in_charge)


ROSTERED = (
    select(
        Shift.id,
        Shift.user_id,
        User.name.label("user_name"),
        Shift.unit_id,
        Unit.name.label("unit_name"),
        Shift.starts_at,
        Shift.ends_at,
        Shift.in_charge,
        Shift.cancelled_at,
        Shift.version,
    )
    .join(User, Shift.user_id == User.id)
    .join(Unit, Shift.unit_id == Unit.id)
    .order_by(Shift.starts_at, Shift.id)
)


def find(sql: Sql, shift_id: int) -> Rostered | None:
    """Return a shift, cancelled or not; None where there is none of this id."""
    return _found(sql, ROSTERED.where(Shift.id == shift_id))


def lock(sql: Sql, shift_id: int) -> Rostered | None:
    """Like `find`, and nobody else changes it until commit. Lock its user first."""
    return _found(sql, ROSTERED.where(Shift.id == shift_id).with_for_update(of=Shift))


def visible_to(editor: Editor) -> list[ColumnElement[bool]]:
    """Express `Editor.may_see` in SQL."""
    if editor.everywhere:
        return []
    return [(Shift.user_id == editor.user_id) | Shift.unit_id.in_(editor.in_charge_of)]


def listed(
    sql: Sql, which: Sequence[ColumnElement[bool]], *, page: int, page_size: int
) -> tuple[list[Rostered], int]:
    """Return a page of the shifts that match, the earliest first, and how many match."""
    rows = sql.execute(ROSTERED.where(*which).offset((page - 1) * page_size).limit(page_size))
    total = sql.scalar(select(func.count()).select_from(Shift).where(*which))
    return [_rostered(row) for row in rows], total or 0


def lock_users(sql: Sql, *user_ids: int) -> None:
    """Lock the users whose shifts change, so that no login of theirs starts meanwhile."""
    wanted = select(User.id).where(User.id.in_(user_ids)).order_by(User.id)
    sql.execute(wanted.with_for_update(key_share=True)).all()


def check_person(sql: Sql, user_id: int, current: Settings) -> None:
    """Raise ValidationFailed where the user is nobody who can be given a shift."""
    user = sql.execute(
        select(User.user_type, User.disabled_at).where(User.id == user_id)
    ).one_or_none()
    if user is None or user.disabled_at is not None or user.user_type not in working(current):
        raise ValidationFailed({"user_id": [_NOBODY]})


def working(current: Settings) -> set[str]:
    """Return the user types that can be given a shift."""
    return {"nurse", *current.shift_bound_user_types}


def check(sql: Sql, draft: Draft, shift_id: int | None = None) -> None:
    """Raise ValidationFailed for what can be no shift, Conflict where the user has it already."""
    if faults := shift_faults(draft.starts_at, draft.ends_at):
        raise ValidationFailed(faults)
    if sql.scalar(select(Unit.id).where(Unit.id == draft.unit_id)) is None:
        raise ValidationFailed({"unit_id": ["There is no unit of this id."]})
    if sql.scalar(select(exists().where(*same_as(draft), Shift.id != (shift_id or 0)))):
        raise Conflict("The roster has this shift already.")


def same_as(draft: Draft) -> tuple[ColumnElement[bool], ...]:
    """Express: stands, and is of the same person, unit and times."""
    return (
        Shift.user_id == draft.user_id,
        Shift.cancelled_at.is_(None),
        Shift.unit_id == draft.unit_id,
        Shift.starts_at == draft.starts_at,
        Shift.ends_at == draft.ends_at,
    )


def add(sql: Sql, draft: Draft) -> int:
    """Insert a shift; return its id."""
    return sql.execute(insert(_TABLE).values(**_columns(draft)).returning(Shift.id)).scalar_one()


def known(sql: Sql, drafts: Sequence[Draft]) -> set[tuple[int, int, datetime, datetime]]:
    """Return which of these shifts the roster has already, by their keys."""
    first, last = min(each.starts_at for each in drafts), max(each.ends_at for each in drafts)
    columns = (Shift.user_id, Shift.unit_id, Shift.starts_at, Shift.ends_at)
    within = (Shift.cancelled_at.is_(None), Shift.starts_at >= first, Shift.ends_at <= last)
    return {tuple(row) for row in sql.execute(select(*columns).where(*within))}  # type: ignore[misc]


def add_all(sql: Sql, drafts: Sequence[Draft]) -> Sequence[int]:
    """Insert shifts; return their ids, in order."""
    ordered = insert(Shift).returning(Shift.id, sort_by_parameter_order=True)
    return sql.scalars(ordered, [_columns(draft) for draft in drafts]).all()


def store(sql: Sql, shift: Rostered, draft: Draft) -> None:
    """Write a locked shift's next version."""
    _write(sql, shift, **_columns(draft))


def cancel(sql: Sql, shift: Rostered, now: datetime) -> None:
    """Write that a locked shift does not take place."""
    _write(sql, shift, cancelled_at=now)


def changed(draft: Draft, changes: dict[str, Any]) -> Draft:
    """Return the draft with some fields replaced."""
    return replace(draft, **changes)


def _write(sql: Sql, shift: Rostered, **values: Any) -> None:
    sql.execute(
        update(_TABLE).where(Shift.id == shift.id).values(version=shift.version + 1, **values)
    )


def _columns(draft: Draft) -> dict[str, Any]:
    return {
        "user_id": draft.user_id,
        "unit_id": draft.unit_id,
        "starts_at": draft.starts_at,
        "ends_at": draft.ends_at,
        "in_charge": draft.in_charge,
    }


def _found(sql: Sql, query: Select[*tuple[Any, ...]]) -> Rostered | None:
    row = sql.execute(query).one_or_none()
    return None if row is None else _rostered(row)


def _rostered(row: Row[*tuple[Any, ...]]) -> Rostered:
    return Rostered(*row)
