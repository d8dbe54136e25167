"""Use cases that change the roster and, with it, the ends of live sessions.

Each locks the users first, writes the roster, and then looks for sessions: a login that runs at
the same time is either seen here or waits and sees the new roster (`binding.duty_for_login`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session as Sql

from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..database import writing
from ..errors import Conflict, Forbidden, NotFound, ValidationFailed
from ..extensions import settings
from ..shifts import roster
from ..shifts.roster import Draft, Rostered
from ..shifts.rules import Editor, Span, duty_faults, extension_faults, longest_new_duty
from ..shifts.service import margins_of, shifts_around
from ..versions import check_version
from .ending import publish
from .following import Cause, follow_roster


@dataclass(frozen=True)
class Change:
    """Who changes the roster, and why."""

    editor: Editor
    why: str
    now: datetime

    @property
    def cause(self) -> Cause:
        return Cause(acting(self.editor.user_id), self.why, self.now)

    @property
    def taken_over(self) -> Cause:
        """For the sessions of who takes a shift over: the reason may be the other's illness."""
        return replace(self.cause, why="took a shift over")


def add_shift(sql: Sql, draft: Draft, change: Change) -> Rostered:
    """Give somebody a shift. Raises Forbidden, ValidationFailed, Conflict."""
    _demand_right(sql, change, draft)
    with writing(sql):
        roster.lock_users(sql, draft.user_id)
        roster.check_person(sql, draft.user_id, settings())
        roster.check(sql, draft)
        if draft.ends_at <= change.now:
            raise ValidationFailed({"ends_at": ["Is over already."]})
        before = _around(sql, draft)
        shift_id = roster.add(sql, draft)
        told = draft.described() | _judge_duty(sql, draft, before, change)
        _record(sql, Event.SHIFT_CREATED, draft.user_id, change, shift_id, **told)
        entries = follow_roster(sql, [draft.user_id], settings(), change.cause)
        found = _present(sql, shift_id)
    publish(entries)
    return found


def change_shift(
    sql: Sql, shift_id: int, changes: dict[str, Any], change: Change, *, version: int
) -> tuple[Rostered, bool]:
    """Change a shift's times, unit, charge or person; return it, and whether Redis knows.

    Raises NotFound, Forbidden, PreconditionFailed, ValidationFailed, Conflict.
    """
    before = _seen(sql, shift_id, change).draft
    draft = roster.changed(before, changes)
    for each in (before, draft):
        _demand_right(sql, change, each, shift_id)
    with writing(sql):
        roster.lock_users(sql, before.user_id, draft.user_id)
        shift = _locked(sql, shift_id, before, change.now, version)
        if draft.user_id != before.user_id:
            roster.check_person(sql, draft.user_id, settings())
        roster.check(sql, draft, shift_id)
        _judge_extension(before, draft, change)
        around = _around(sql, draft)
        roster.store(sql, shift, draft)
        event = Event.SHIFT_CHANGED
        if draft.user_id != before.user_id:
            event = Event.SHIFT_REASSIGNED
        told = draft.described() | {"before": before.described() | {"user_id": before.user_id}}
        told |= _judge_duty(sql, draft, around, change)
        _record(sql, event, draft.user_id, change, shift_id, **told)
        entries = follow_roster(sql, [before.user_id], settings(), change.cause)
        if draft.user_id != before.user_id:
            entries += follow_roster(sql, [draft.user_id], settings(), change.taken_over)
        found = _present(sql, shift_id)
    return found, publish(entries)


def cancel_shift(sql: Sql, shift_id: int, change: Change, *, version: int) -> tuple[Rostered, bool]:
    """Cancel a shift; return it, and whether Redis knows of the sessions that it ended.

    Raises NotFound, Forbidden, PreconditionFailed, Conflict.
    """
    before = _seen(sql, shift_id, change).draft
    _demand_right(sql, change, before, shift_id)
    with writing(sql):
        roster.lock_users(sql, before.user_id)
        shift = _locked(sql, shift_id, before, change.now, version)
        roster.cancel(sql, shift, change.now)
        _record(sql, Event.SHIFT_CANCELLED, before.user_id, change, shift_id, **before.described())
        entries = follow_roster(sql, [before.user_id], settings(), change.cause)
        found = _present(sql, shift_id)
    return found, publish(entries)


def _seen(sql: Sql, shift_id: int, change: Change) -> Rostered:
    """Return a shift that the editor may see.

    Raises NotFound for any other, after it has been audited.
    """
    shift, editor = roster.find(sql, shift_id), change.editor
    if shift is None or not editor.may_see(shift.user_id, shift.unit_id):
        _record_refusal(sql, editor.user_id, change, shift_id, "not_found")
        raise NotFound()
    return shift


def _locked(sql: Sql, shift_id: int, seen: Draft, now: datetime, version: int) -> Rostered:
    """Return the locked shift; raise what keeps it from being changed."""
    shift = roster.lock(sql, shift_id)
    if shift is None:
        raise NotFound()
    check_version(version, shift.version)
    if shift.draft != seen:  # changed between the two looks: other users would have to be locked
        raise Conflict()
    if shift.cancelled_at is not None:
        raise Conflict("The shift is cancelled.")
    if shift.ends_at + settings().shift_handoff <= now:
        raise Conflict("The shift is over: what was, stays.")
    return shift


def _demand_right(sql: Sql, change: Change, draft: Draft, shift_id: int | None = None) -> None:
    """Raise Forbidden, after it has been audited, where the editor may not change this roster."""
    if change.editor.may_change(draft.user_id, draft.unit_id):
        return
    _record_refusal(sql, draft.user_id, change, shift_id, "not_in_charge", unit_id=draft.unit_id)
    raise Forbidden()


def _judge_extension(before: Draft, draft: Draft, change: Change) -> None:
    """Raise ValidationFailed where a charge nurse lets a running shift end too much later."""
    if change.editor.everywhere or draft.user_id != before.user_id:
        return
    if faults := extension_faults(before.starts_at, before.ends_at, draft.ends_at, change.now):
        raise ValidationFailed(faults)


def _around(sql: Sql, draft: Draft) -> list[Span]:
    return shifts_around(sql, draft.user_id, draft.starts_at, draft.ends_at)


def _judge_duty(sql: Sql, draft: Draft, before: list[Span], change: Change) -> dict[str, Any]:
    """Raise ValidationFailed where a charge nurse has made somebody's duty too long; of whom an
    administrator asks it, return so for the event. The change is written already.
    """
    margins, after = margins_of(settings()), _around(sql, draft)
    faults = duty_faults(before, after, margins)
    if not faults:
        return {}
    if not change.editor.everywhere:
        raise ValidationFailed(faults)
    return {
        "on_duty_hours": round(longest_new_duty(before, after, margins) / timedelta(hours=1), 1)
    }


def _record_refusal(
    sql: Sql, user_id: int, change: Change, shift_id: int | None, reason: str, **detail: Any
) -> None:
    """Write it without the typed reason: nothing was done, and it may be about somebody else."""
    with writing(sql):
        record(
            sql,
            Event.SHIFT_REFUSED,
            now=change.now,
            outcome=Outcome.REFUSED,
            reason=reason,
            actor=change.cause.actor,
            user_id=user_id,
            shift_id=shift_id,
            **detail,
        )


def _present(sql: Sql, shift_id: int) -> Rostered:
    shift = roster.find(sql, shift_id)
    assert shift is not None  # written in this transaction
    return shift


def _record(
    sql: Sql, event: Event, user_id: int, change: Change, shift_id: int | None, **detail: Any
) -> None:
    record(
        sql,
        event,
        now=change.now,
        outcome=Outcome.ALERT if "on_duty_hours" in detail else Outcome.SUCCESS,
        actor=change.cause.actor,
        user_id=user_id,
        shift_id=shift_id,
        why=change.why,
        **detail,
    )
