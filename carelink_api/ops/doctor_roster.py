"""The doctor's rules on the roster: what is missing or twice in it, where it binds logins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from ..accounts.models import Unit, User
from ..config import Settings
from ..shifts.models import Shift
from ..shifts.service import bound_by_roster, is_kept
from .findings import Finding, fine, warn

AHEAD = timedelta(hours=24)
_NAMED = 5
"""A finding names so many, and counts the others."""


@dataclass(frozen=True)
class RosterFacts:
    """What a roster that binds somebody says of the time from now on."""

    unstaffed: Sequence[str]
    """Units in which people work whom it binds, and nobody has a shift within a day."""
    overlapping: Sequence[str]
    """E-mail addresses of those whose shifts overlap."""
    bound: int
    """How many people it binds."""
    without_shift: int
    """How many of them have no present or coming shift."""


def look_at_roster(sql: Sql, settings: Settings, now: datetime) -> RosterFacts | None:
    """Ask the database; None where no roster binds anybody. Raises SQLAlchemyError."""
    if not settings.shift_bound_user_types or not is_kept(sql):
        return None
    works = and_(bound_by_roster(settings), User.disabled_at.is_(None))
    has_shift = User.id.in_(select(Shift.user_id).where(_lasts(Shift, now)))
    return RosterFacts(
        sql.scalars(_unstaffed(works, now)).all(),
        sql.scalars(_overlapping(works, now)).all(),
        sql.scalar(select(func.count()).where(works)) or 0,
        sql.scalar(select(func.count()).where(works, ~has_shift)) or 0,
    )


def check_roster(facts: RosterFacts | None) -> list[Finding]:
    """Return the findings on the roster of a migrated database."""
    if facts is None:
        return [fine("roster", "binds nobody")]
    return [_units(facts), _overlaps(facts), _people(facts)]


def _lasts(shift: type[Shift], now: datetime) -> ColumnElement[bool]:
    return and_(shift.cancelled_at.is_(None), shift.ends_at > now)


def _unstaffed(works: ColumnElement[bool], now: datetime) -> Select[str]:
    """Select units by their own people; who is disabled staffs none, whatever the roster says."""
    at_work = select(User.id).where(User.disabled_at.is_(None))
    staffed = select(Shift.unit_id).where(
        _lasts(Shift, now), Shift.starts_at < now + AHEAD, Shift.user_id.in_(at_work)
    )
    peopled = select(User.unit_id).where(works, User.unit_id.is_not(None))
    found = select(Unit.name).where(Unit.id.in_(peopled), Unit.id.not_in(staffed))
    return found.order_by(Unit.name)


def _overlapping(works: ColumnElement[bool], now: datetime) -> Select[str]:
    one, other = aliased(Shift), aliased(Shift)
    meet = and_(
        other.user_id == one.user_id,
        other.id > one.id,
        other.starts_at < one.ends_at,
        other.ends_at > one.starts_at,
    )
    found = select(User.email).join(one, one.user_id == User.id).join(other, meet)
    return found.where(works, _lasts(one, now), _lasts(other, now)).distinct().order_by(User.email)


def _units(facts: RosterFacts) -> Finding:
    if not facts.unstaffed:
        return fine("roster: units", "each has a shift in the coming 24 hours")
    return warn(
        "roster: units",
        f"No shift in the coming 24 hours: {_some(facts.unstaffed)}.",
        "Its nurses cannot log in, and nobody answers for its patients.",
        "Enter them: `flask --app wsgi shifts import FILE.csv`, or POST /api/shifts/.",
    )


def _overlaps(facts: RosterFacts) -> Finding:
    if not facts.overlapping:
        return fine("roster: overlaps", "none")
    return warn(
        "roster: overlaps",
        f"Shifts of one person overlap: {_some(facts.overlapping)}.",
        "They are on shift in both places at once and see the patients of both; mostly one shift "
        "was to be cancelled.",
        "`flask --app wsgi shifts list --user EMAIL` shows them: cancel one, or cut it short.",
    )


def _people(facts: RosterFacts) -> Finding:
    """Count only: who is on leave has no shift, and that is right."""
    found = f"{facts.without_shift} of {facts.bound} whom shifts bind have none to come"
    return fine("roster: people", found)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
