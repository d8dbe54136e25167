"""Use cases of a patient's care team."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User
from ...audit.events import Event
from ...errors import Conflict, ValidationFailed
from ...idempotency.attempts import Attempt
from ...sessions.claims import AccessClaims
from ...versions import change
from ..access import Action
from ..accessing import Access, accessing
from ..models import CareTeamMember
from ..paging import Page, read_page

Shown = dict[str, Any]
_member = CareTeamMember
_LISTED = (
    select(
        _member.id,
        _member.role,
        _member.starts_at,
        _member.ends_at,
        _member.version,
        User.id.label("user_id"),
        User.name,
        User.user_type,
    )
    .join(User, User.id == _member.user_id)
    .order_by(_member.starts_at, _member.id)
)


class AlreadyMember(Conflict):
    code, title = "already_member", "Already a member"
    detail = "They are in the care team then already. End that first."


class HasEnded(Conflict):
    code, title = "has_ended", "Has ended"
    detail = "This membership has ended already."


def list_members(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    now: datetime,
    when: str,
    page: int,
    page_size: int,
) -> Page[Shown]:
    """Return a page of the care team. Raises as `Access.chart` does, and Unavailable."""
    with accessing(sql, viewer, Event.CARE_TEAM_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        asked = _LISTED.where(_member.patient_id == patient_id)
        if when == "now":
            asked = asked.where(_member.starts_at <= now, _lasts_beyond(now))
        return read_page(sql, asked, page=page, page_size=page_size).map(_shown)


def read_member(
    sql: Sql, viewer: AccessClaims, patient_id: int, member_id: int, *, now: datetime
) -> Shown:
    """Return one membership. Raises as `Access.chart` does, NotFound, Unavailable."""
    with accessing(sql, viewer, Event.CARE_TEAM_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        access.about(member_id=member_id)
        return _read(access, patient_id, member_id)


def add_member(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    body: dict[str, Any],
    *,
    now: datetime,
    attempt: Attempt | None = None,
) -> Shown:
    """Take a doctor or nurse into the care team.

    Raises as `Access.chart` does, ValidationFailed, AlreadyMember, KeyReused, Unavailable.
    """

    def create() -> Shown:
        starts_at, ends_at = body["starts_at"] or now, body["ends_at"]
        _check_times(starts_at, ends_at, now)
        access.about(member=body["user_id"], role=body["role"])
        _check_member(access, body["user_id"], body["role"])
        _demand_none_between(access, patient_id, body["user_id"], starts_at, ends_at)
        made = CareTeamMember(
            patient_id=patient_id,
            user_id=body["user_id"],
            role=body["role"],
            starts_at=starts_at,
            ends_at=ends_at,
        )
        sql.add(made)
        sql.flush()
        return _read(access, patient_id, made.id)

    with accessing(sql, viewer, Event.CARE_TEAM_JOINED, now=now) as access:
        access.chart(patient_id, Action.OPEN)
        return access.once(attempt, create)


def end_member(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    member_id: int,
    *,
    version: int,
    now: datetime,
) -> Shown:
    """End a membership now, or before it begins.

    Raises as `Access.chart` does, NotFound, PreconditionFailed, HasEnded, Unavailable.
    """
    with accessing(sql, viewer, Event.CARE_TEAM_LEFT, now=now) as access:
        access.chart(patient_id, Action.OPEN)  # locks: memberships change one after the other
        access.about(member_id=member_id)
        member = access.of_patient(CareTeamMember, member_id, patient_id)
        change(member, version)
        if member.ends_at is not None and member.ends_at <= now:
            raise HasEnded()
        member.ends_at = max(now, member.starts_at)
        sql.flush()
        return _read(access, patient_id, member_id)


def _check_times(starts_at: datetime, ends_at: datetime | None, now: datetime) -> None:
    if starts_at < now:
        raise ValidationFailed({"starts_at": ["Lies in the past."]})
    if ends_at is not None and ends_at <= starts_at:
        raise ValidationFailed({"ends_at": ["Must be after starts_at."]})


def _check_member(access: Access, user_id: int, role: str) -> None:
    user_type = "nurse" if role == "nurse" else "doctor"
    there = select(User.id).where(
        User.id == user_id, User.user_type == user_type, User.disabled_at.is_(None)
    )
    if access.sql.scalar(there) is None:
        raise ValidationFailed({"user_id": [f"There is no such {user_type}."]})


def _demand_none_between(
    access: Access, patient_id: int, user_id: int, starts_at: datetime, ends_at: datetime | None
) -> None:
    """Nobody is twice in a care team at once; the locked patient keeps another from passing too."""
    overlaps = [
        _member.patient_id == patient_id,
        _member.user_id == user_id,
        _lasts_beyond(starts_at),
    ]
    if ends_at is not None:
        overlaps.append(_member.starts_at < ends_at)
    if access.sql.scalar(select(_member.id).where(*overlaps).limit(1)) is not None:
        raise AlreadyMember()


def _lasts_beyond(moment: datetime) -> ColumnElement[bool]:
    return or_(_member.ends_at.is_(None), _member.ends_at > moment)


def _read(access: Access, patient_id: int, member_id: int) -> Shown:
    asked = _LISTED.where(_member.id == member_id, _member.patient_id == patient_id)
    return _shown(access.one(asked))


def _shown(row: Row[*tuple[Any, ...]]) -> Shown:
    user = {"id": row.user_id, "name": row.name, "user_type": row.user_type}
    return {**row._mapping, "user": user}
