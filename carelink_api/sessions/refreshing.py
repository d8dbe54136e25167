"""Use case: trade a refresh token for the next pair (`docs/design.md`, section 4).

Read the row, then compare and swap it and write the event in one transaction: two statements on
PostgreSQL. Who loses the race for the swap reads again and decides again.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session as Sql

from .. import metrics, web
from ..audit.events import Event, Outcome
from ..audit.record import acting, event_values, record
from ..config import Settings
from ..database import from_epoch, one_by_one, writing
from ..errors import TokenNotValid, Unavailable
from ..extensions import settings as current_settings
from .claims import RefreshClaims
from .denylist import Entry
from .ending import end_sessions, publish
from .grants import Grant, grant_from, new_jti
from .models import Session
from .reasons import EndReason, public_reason
from .rotation import (
    ALERT_STREAK,
    Keep,
    Refused,
    Reissue,
    Reuse,
    Rotate,
    RotationWindows,
    Verdict,
    decide_rotation,
    retired_at,
    retired_for_good,
    retirements_after,
    streak_after_rotation,
)
from .rows import Loaded, compare_and_swap, goes_on, load, rotate_and_tell
from .runtime import runtime

_ATTEMPTS = 4


@dataclass(frozen=True)
class Denied:
    """A refusal that has been recorded; the entries end the session, if it was reuse."""

    reason: str
    entries: tuple[Entry, ...] = ()


def refresh(sql: Sql, presented: RefreshClaims, *, now: datetime) -> Grant:
    """Return what the presented token is worth now.

    Raises TokenNotValid with its reason, after the refusal and its consequence are committed.
    """
    settings = current_settings()
    outcome = _settle(sql, presented, now, settings)
    if isinstance(outcome, Denied):
        publish(outcome.entries)
        raise TokenNotValid(public_reason(outcome.reason))
    was_rotated = outcome.generation > presented.generation and not outcome.reissued
    if was_rotated:
        _list_retired(presented, now)
    return outcome


def peek(sql: Sql, presented: RefreshClaims, *, now: datetime) -> None:
    """Hold a refresh token against its row and change nothing.

    Raises TokenNotValid where a refresh would be refused.
    """
    settings = current_settings()
    row = load(sql.connection(), presented.sid, settings)
    if row is None or row.user.id != presented.user_id:
        raise TokenNotValid(EndReason.REVOKED)
    match decide_rotation(row.lineage, presented.generation, now, _windows(settings)):
        case Refused(reason):
            raise TokenNotValid(public_reason(reason))
        case Reuse():
            raise TokenNotValid(EndReason.REVOKED)


def _settle(
    sql: Sql, presented: RefreshClaims, now: datetime, settings: Settings
) -> Grant | Denied:
    for attempt in range(_ATTEMPTS):
        # Each attempt is a transaction: on PostgreSQL a lost swap still locks the row, and who
        # holds it must not wait for the change counter (reuse), which is taken before any row.
        outcome = _attempt(sql, presented, now, settings, was_good=attempt > 0)
        if outcome is not None:
            return outcome
    raise Unavailable(1)


def _attempt(
    sql: Sql, presented: RefreshClaims, now: datetime, settings: Settings, *, was_good: bool
) -> Grant | Denied | None:
    """Read, decide and act once; None where another request has changed the row meanwhile.

    `was_good`: this very request has found the token good, and lost a race. Where it lost to a
    change of the password, that was no reuse: it is told to come back, and nothing ends.
    Reading locks nothing, so it may as well stand alone: what is written tells whether the row is
    still the one that was read, or with a token that is only given again has not ended since.
    """
    with one_by_one(sql) as connection:
        row = load(connection, presented.sid, settings)
        if row is None or row.user.id != presented.user_id:
            verdict: Verdict = Refused(EndReason.REVOKED)
        else:
            web.note_role(row.user.user_type)
            verdict = decide_rotation(row.lineage, presented.generation, now, _windows(settings))
            _measure_replay(row, presented, verdict, now)
            if isinstance(verdict, Rotate):
                return _rotate(connection, row, presented, verdict, now, settings)
    if (
        was_good
        and row is not None
        and isinstance(verdict, Reuse)
        and retired_for_good(row.lineage)
    ):
        with writing(sql):
            _refuse(sql, presented, EndReason.PASSWORD_CHANGED, now)
        raise Unavailable(1)
    with writing(sql):
        return _apply(sql, row, presented, verdict, now, settings)


def _measure_replay(row: Loaded, presented: RefreshClaims, verdict: Verdict, now: datetime) -> None:
    at = retired_at(row.lineage, presented.generation)
    if at is not None and isinstance(verdict, Reissue | Reuse):
        label = type(verdict).__name__.lower()
        metrics.REPLAY_AGE.labels(label).observe((now - at).total_seconds())


def _apply(
    sql: Sql,
    row: Loaded | None,
    presented: RefreshClaims,
    verdict: Verdict,
    now: datetime,
    settings: Settings,
) -> Grant | Denied | None:
    """Act on every verdict but Rotate, in the transaction that was begun for it."""
    match verdict, row:
        case Refused(reason), _:
            return _refuse(sql, presented, reason, now)
        case Keep(), Loaded():
            if not goes_on(sql, row.session.id, row.lineage.generation):
                return None
            _record(sql, Event.SESSION_KEPT, row, presented, now)
            return grant_from(row, now, settings)
        case Reissue(streak), Loaded():
            return _reissue(sql, row, presented, now, settings, streak)
        case Reuse(), Loaded():
            return _end_reused(sql, row, presented, now)
    raise AssertionError(verdict)


def _rotate(
    connection: Connection,
    row: Loaded,
    presented: RefreshClaims,
    verdict: Rotate,
    now: datetime,
    settings: Settings,
) -> Grant | None:
    """Swap in the next generation; None when another request has changed the row first."""
    session, jti, generation = row.lineage, new_jti(), presented.generation + 1
    retired = retirements_after(session, presented.generation, now, settings.rotation_grace)
    rotation = {
        "generation": generation,
        "refresh_jti": jti,
        "refresh_issued_at": now,
        "predecessor_retired_at": now,
        "retired": [[generation, at.timestamp()] for generation, at in retired],
        "late_reissues": streak_after_rotation(session),
    }
    event = Event.SESSION_ROW_BEHIND if verdict.row_behind else Event.SESSION_REFRESHED
    outcome = Outcome.ALERT if verdict.row_behind else Outcome.SUCCESS
    told = event_values(
        event, now=now, outcome=outcome, actor=acting(row.user.id), issued=jti
    ) | {"user_id": row.user.id, "sid": row.session.id, "jti": presented.jti}  # fmt: skip
    if not rotate_and_tell(connection, row.session.id, session.generation, rotation, told):
        return None
    metrics.count_event(event, outcome)
    return replace(
        grant_from(row, now, settings),
        generation=generation,
        refresh_jti=jti,
        refresh_issued_at=now,
    )


def _reissue(
    sql: Sql,
    row: Loaded,
    presented: RefreshClaims,
    now: datetime,
    settings: Settings,
    streak: int | None,
) -> Grant | None:
    """Answer with the current generation again; None when the row has changed meanwhile."""
    generation = row.lineage.generation
    if streak is not None and row.lineage.late_generation != generation:
        late = {"late_reissues": streak, "late_generation": generation}
        stands = compare_and_swap(sql, row.session.id, generation, **late)
    else:
        stands = goes_on(sql, row.session.id, generation)
    if not stands:
        return None
    alarming = streak is not None and streak >= ALERT_STREAK
    _record(
        sql,
        Event.SESSION_REISSUED,
        row,
        presented,
        now,
        Outcome.ALERT if alarming else Outcome.SUCCESS,
        late_streak=streak or 0,
        generations_back=generation - presented.generation,
    )
    return replace(grant_from(row, now, settings), reissued=True)


def _end_reused(sql: Sql, row: Loaded, presented: RefreshClaims, now: datetime) -> Denied | None:
    """End the session, and only this one; committed before the refusal is sent (RFC 9700)."""
    entries = end_sessions(
        sql,
        Session.id == row.session.id,
        reason=EndReason.REUSED,
        now=now,
        actor=None,
        jti=presented.jti,
        generations_back=row.lineage.generation - presented.generation,
    )
    return Denied(EndReason.REUSED, tuple(entries)) if entries else None


def _refuse(sql: Sql, presented: RefreshClaims, reason: str, now: datetime) -> Denied:
    record(
        sql,
        Event.REFRESH_REFUSED,
        now=now,
        outcome=Outcome.REFUSED,
        reason=reason,
        user_id=presented.user_id,
        sid=presented.sid,
        jti=presented.jti,
    )
    return Denied(reason)


def _record(
    sql: Sql,
    event: Event,
    row: Loaded,
    presented: RefreshClaims,
    now: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    **detail: Any,
) -> None:
    record(
        sql,
        event,
        now=now,
        outcome=outcome,
        actor=acting(row.user.id),
        user_id=row.user.id,
        sid=row.session.id,
        jti=presented.jti,
        **detail,
    )


def _windows(settings: Settings) -> RotationWindows:
    return RotationWindows(
        settings.rotation_grace, settings.lost_response_window, settings.rotate_refresh_tokens
    )


def _list_retired(presented: RefreshClaims, now: datetime) -> None:
    """Put the retired `jti` on the denylist, for operators and other readers; the row decides."""
    denylist = runtime().denylist
    if not denylist.skips(presented.sid):  # not worth a time-out: nothing rests on this entry
        until = from_epoch(presented.expires_at)
        denylist.publish([Entry(presented.sid, "rotated", now, until, presented.jti)])
