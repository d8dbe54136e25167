"""Use cases of who breaks the glass: open one record, list one's grants, give one back."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ...accounts import service as accounts
from ...audit.canonical import moment
from ...audit.events import Event, Outcome
from ...auth.step_up import InsufficientUserAuthentication, Verified, is_fresh, verify_own_password
from ...errors import CareLinkError, Forbidden, NotFound, TokenNotValid
from ...extensions import settings
from ...sessions.claims import AccessClaims
from ...sessions.models import Session
from ...sessions.reasons import EndReason, public_reason
from ...sessions.starting import lock_user
from ..access import Tie, may_break_glass
from ..accessing import Access, accessing
from ..models import Patient
from ..paging import Page, read_page
from .ending import end_or_give_back
from .holding import holds
from .models import BreakGlassGrant
from .rules import REVIEW_DUE_AFTER, GrantEnd, concerns, concerns_of

Shown = dict[str, Any]


@dataclass(frozen=True)
class Emergency:
    """What somebody says who breaks the glass."""

    patient_id: int
    reason_code: str
    reason_text: str
    password: str | None = field(default=None, repr=False)
    """May be left out where the login itself is fresh."""


def open_record(sql: Sql, claims: AccessClaims, emergency: Emergency, *, now: datetime) -> Shown:
    """Open one record to the caller's session for a time; the event is an alert.

    Raises Forbidden for whom no emergency opens one, InsufficientUserAuthentication,
    InvalidCredentials, Throttled, NotFound, BreakGlassNotNeeded, TokenNotValid where the session
    has ended meanwhile.
    """
    verified = _credential(sql, claims, emergency, now)
    with accessing(sql, claims, Event.BREAK_GLASS_OPENED, now=now) as access:
        access.about(reason_code=emergency.reason_code)
        _hold_session(sql, claims, verified, now)
        if not may_break_glass(claims.user_type, on_duty=access.viewer.on_duty):
            raise Forbidden()
        grant = _grant(access, access.closed_chart(emergency.patient_id), emergency)
        sql.add(grant)
        sql.flush()
        access.outcome = Outcome.ALERT
        access.about(**_basis(grant), in_handoff=grant.in_handoff)
        if grant.concerns:
            access.about(concerns=concerns_of(grant.concerns))
        return shown(grant, is_open=True)


def give_back(sql: Sql, claims: AccessClaims, grant_id: int, *, now: datetime) -> Shown:
    """End one's own grant before its time; for one that has ended, and whose end has its event,
    changes nothing.

    Raises NotFound for what is not one's own, Forbidden.
    """
    with accessing(sql, claims, Event.BREAK_GLASS_ENDED, now=now) as access:
        _demand_breaker(access)
        which = (BreakGlassGrant.id == grant_id, BreakGlassGrant.user_id == claims.user_id)
        grant = sql.scalar(select(BreakGlassGrant).where(*which).with_for_update())
        if grant is None:
            access.about(asked_for_grant=grant_id)
            raise NotFound()
        access.is_repeated = grant.ended_at is not None
        if grant.ended_at is None:
            grant.ended_at, grant.end_reason = at, how = end_or_give_back(sql, grant, now)
            if how is not GrantEnd.GIVEN_BACK:
                access.about(occurred_at=moment(at))
        access.showed([grant.patient_id], why=grant.end_reason, **_basis(grant))
        return shown(grant, is_open=False)


def list_own(
    sql: Sql, claims: AccessClaims, *, now: datetime, page: int, page_size: int
) -> Page[Shown]:
    """Return a page of one's own grants, newest first. Raises Forbidden."""
    with accessing(sql, claims, Event.BREAK_GLASS_LISTED, now=now) as access:
        _demand_breaker(access)
        grants = (
            select(BreakGlassGrant, holds(now).label("is_open"))
            .where(BreakGlassGrant.user_id == claims.user_id)
            .order_by(BreakGlassGrant.opened_at.desc(), BreakGlassGrant.id.desc())
        )
        found = read_page(sql, grants, page=page, page_size=page_size)
        access.showed(
            [row[0].patient_id for row in found.items], grants=[row[0].id for row in found.items]
        )
        return found.map(lambda row: shown(row[0], is_open=row.is_open))


def shown(grant: BreakGlassGrant, *, is_open: bool) -> Shown:
    """Return what is shown of a grant to who holds it."""
    return {
        "id": grant.id,
        "patient_id": grant.patient_id,
        "reason_code": grant.reason_code,
        "reason_text": grant.reason_text,
        "opened_at": grant.opened_at,
        "expires_at": grant.expires_at,
        "ended_at": grant.ended_at,
        "end_reason": grant.end_reason,
        "open": is_open,
    }


def _credential(
    sql: Sql, claims: AccessClaims, emergency: Emergency, now: datetime
) -> Verified | None:
    """Verify the password, or find the login fresh (None); every refusal leaves one event."""
    refused: CareLinkError | None = None
    if not may_break_glass(claims.user_type, on_duty=True):
        refused = Forbidden()  # before a password is looked at: no place for guesses
    elif emergency.password is None and not is_fresh(claims, now):
        refused = InsufficientUserAuthentication()
    if refused is not None:
        with accessing(sql, claims, Event.BREAK_GLASS_OPENED, now=now) as access:
            access.about(asked_for=emergency.patient_id)
            raise refused
    if emergency.password is None:
        return None
    about = {"purpose": "break_glass", "asked_for": emergency.patient_id}
    return verify_own_password(sql, emergency.password, claims, now=now, **about)


def _hold_session(sql: Sql, claims: AccessClaims, verified: Verified | None, now: datetime) -> None:
    """Keep account and session as they are until commit: whoever ends them waits, or is seen here.

    Raises InvalidCredentials, TokenNotValid.
    """
    if verified is not None:
        has_failures = verified.has_failures
        lock_user(sql, claims.user_id, verified.password_hash, will_write=has_failures)
        if has_failures:
            accounts.record_success(sql, claims.user_id)
    held = select(Session).where(Session.id == claims.sid).with_for_update(read=True)
    session = sql.scalar(held.execution_options(populate_existing=True))
    if session is None:
        raise TokenNotValid(EndReason.REVOKED)
    refused = session.refuse_from is not None and session.refuse_from <= now
    if session.ended_at is not None or refused:  # by whoever came first, whatever their clock said
        raise TokenNotValid(public_reason(session.end_reason))


def _grant(access: Access, patient: Patient, emergency: Emergency) -> BreakGlassGrant:
    now, viewer = access.viewer.now, access.viewer
    owners = (patient.user_id, patient.staff_user_id)
    found = concerns(viewer.user_id, owners, patient.staff_user_id, vip=patient.vip)
    return BreakGlassGrant(
        user_id=viewer.user_id,
        patient_id=patient.id,
        unit_id=patient.unit_id,
        sid=viewer.sid,
        reason_code=emergency.reason_code,
        reason_text=emergency.reason_text,
        in_handoff=bool(viewer.in_handoff and not viewer.on_shift),
        opened_at=now,
        expires_at=now + settings().break_glass,
        due_at=now + REVIEW_DUE_AFTER,
        concerns=",".join(found) or None,
    )


def _basis(grant: BreakGlassGrant) -> dict[str, Any]:
    return {"basis": str(Tie.BREAK_GLASS), "basis_id": grant.id}


def _demand_breaker(access: Access) -> None:
    """Raise Forbidden for whom no emergency ever opens a record."""
    if not may_break_glass(access.viewer.user_type, on_duty=True):
        raise Forbidden()
