"""Use cases on the roster: who may do what there, and what the routes show."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...auth.step_up import InsufficientUserAuthentication, demand_fresh_credential
from ...errors import Forbidden, NotFound
from ...extensions import settings
from ...sessions import of_unit, rostering
from ...sessions.acts import record_refusal
from ...sessions.claims import AccessClaims
from ...sessions.rostering import Change
from ...shifts import roster
from ...shifts.models import Shift
from ...shifts.roster import Draft, Rostered
from ...shifts.rules import Editor
from ...shifts.service import on_shift

Answer = dict[str, Any]


def editor_for(
    sql: Sql, viewer: AccessClaims, now: datetime, event: Event = Event.SHIFT_REFUSED
) -> Editor:
    """Return whose roster the viewer may see and change.

    Raises Forbidden for other user types, after it has been audited as `event`.
    """
    if viewer.user_type == "admin":
        return Editor(viewer.user_id, everywhere=True)
    if viewer.user_type not in roster.working(settings()):
        record_refusal(sql, viewer, event, "user_type", now=now)
        raise Forbidden()
    charge = on_shift(sql, viewer.user_id, now).in_charge_of
    return Editor(viewer.user_id, everywhere=False, in_charge_of=charge)


def list_shifts(
    sql: Sql, viewer: AccessClaims, now: datetime, *, page: int, page_size: int, **filters: Any
) -> Answer:
    """Return a page of the shifts that the viewer may see, the earliest first."""
    which = [*roster.visible_to(editor_for(sql, viewer, now)), *_filtered(**filters)]
    shifts, total = roster.listed(sql, which, page=page, page_size=page_size)
    items = [shown(shift) for shift in shifts]
    return {"items": items, "total": total, "page": page, "page_size": page_size}


def read_shift(sql: Sql, viewer: AccessClaims, shift_id: int, now: datetime) -> Rostered:
    """Return one shift. Raises NotFound also for one that the viewer may not see."""
    editor = editor_for(sql, viewer, now)
    shift = roster.find(sql, shift_id)
    if shift is None or not editor.may_see(shift.user_id, shift.unit_id):
        record_refusal(sql, viewer, Event.SHIFT_REFUSED, "not_found", now=now, shift_id=shift_id)
        raise NotFound()
    return shift


def create_shift(
    sql: Sql, viewer: AccessClaims, now: datetime, *, reason: str, **draft: Any
) -> Rostered:
    """Give somebody a shift. Raises Forbidden, ValidationFailed, Conflict."""
    change = Change(editor_for(sql, viewer, now), reason, now)
    return rostering.add_shift(sql, Draft(**_to_the_second(draft)), change)


def change_shift(
    sql: Sql,
    viewer: AccessClaims,
    shift_id: int,
    now: datetime,
    *,
    version: int,
    reason: str,
    **changes: Any,
) -> tuple[Rostered, bool]:
    """Change a shift, or give it to somebody else; see `rostering.change_shift`."""
    change = Change(editor_for(sql, viewer, now), reason, now)
    return rostering.change_shift(sql, shift_id, _to_the_second(changes), change, version=version)


def cancel_shift(
    sql: Sql, viewer: AccessClaims, shift_id: int, now: datetime, *, version: int, reason: str
) -> tuple[Rostered, bool]:
    """Cancel a shift; see `rostering.cancel_shift`."""
    change = Change(editor_for(sql, viewer, now), reason, now)
    return rostering.cancel_shift(sql, shift_id, change, version=version)


def list_unit_sessions(
    sql: Sql, viewer: AccessClaims, unit_id: int, now: datetime, *, page: int, page_size: int
) -> Answer:
    """Return a page of the live sessions in a unit.

    Raises Forbidden and NotFound, after they have been audited.
    """
    _demand_charge(sql, viewer, unit_id, now)
    found, total = of_unit.list_of_unit(sql, unit_id, page=page, page_size=page_size, now=now)
    items = [_workstation(each, viewer.sid) for each in found]
    return {"items": items, "total": total, "page": page, "page_size": page_size}


def end_unit_sessions(
    sql: Sql,
    viewer: AccessClaims,
    unit_id: int,
    now: datetime,
    *,
    reason: str,
    password: str | None = None,
    **which: Any,
) -> tuple[int, bool]:
    """End live sessions of a unit; return how many, and whether Redis knows.

    To end them all takes a fresh credential. Raises Forbidden, and, after it has been audited,
    NotFound where it is not the viewer's unit, InsufficientUserAuthentication, InvalidCredentials.
    """
    try:
        _demand_charge(sql, viewer, unit_id, now)
        if not which:
            demand_fresh_credential(sql, viewer, password, now=now, purpose="unit_sessions")
    except InsufficientUserAuthentication:
        _refused(sql, viewer, unit_id, "credential_not_fresh", now)
        raise
    told: Answer = {"user_id": viewer.user_id, "own_sid": viewer.sid, "why": reason, "now": now}
    return of_unit.end_of_unit(sql, unit_id, **told, **which)


def shown(shift: Rostered) -> Answer:
    """Return a shift as every answer shows it."""
    return {
        "id": shift.id,
        "user": {"id": shift.user_id, "name": shift.user_name},
        "unit": {"id": shift.unit_id, "name": shift.unit_name},
        "starts_at": shift.starts_at,
        "ends_at": shift.ends_at,
        "in_charge": shift.in_charge,
        "status": "active" if shift.cancelled_at is None else "cancelled",
        "version": shift.version,
    }


def _demand_charge(sql: Sql, viewer: AccessClaims, unit_id: int, now: datetime) -> None:
    editor = editor_for(sql, viewer, now, Event.UNIT_SESSIONS_REFUSED)
    if not editor.everywhere and unit_id not in editor.in_charge_of:
        _refused(sql, viewer, unit_id, "not_in_charge", now)
        raise NotFound()


def _refused(sql: Sql, viewer: AccessClaims, unit_id: int, reason: str, now: datetime) -> None:
    event = Event.UNIT_SESSIONS_REFUSED
    record_refusal(sql, viewer, event, reason, now=now, unit_id=unit_id)


def _to_the_second(fields: Answer) -> Answer:
    """Cut what is left of a second off every time, so that equal shifts are equal."""
    return {
        name: value.replace(microsecond=0) if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def _filtered(
    status: str,
    unit_id: int | None = None,
    user_id: int | None = None,
    ends_after: datetime | None = None,
    starts_before: datetime | None = None,
) -> list[ColumnElement[bool]]:
    cancelled = Shift.cancelled_at.is_not(None)
    which: list[ColumnElement[bool]] = [cancelled if status == "cancelled" else ~cancelled]
    if unit_id is not None:
        which.append(Shift.unit_id == unit_id)
    if user_id is not None:
        which.append(Shift.user_id == user_id)
    if ends_after is not None:
        which.append(Shift.ends_at > ends_after)
    if starts_before is not None:
        which.append(Shift.starts_at < starts_before)
    return which


def _workstation(found: of_unit.Workstation, own_sid: str) -> Answer:
    return {
        "id": found.id,
        "user": {"id": found.user_id, "name": found.user_name},
        "device_name": found.device_name,
        "address": found.address,
        "started_at": found.started_at,
        "last_active_at": found.last_active_at,
        "expires_at": found.expires_at,
        "current": found.id == own_sid,
    }
