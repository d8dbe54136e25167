"""Use cases of who reviews the trail: report, sign off, see what was reviewed.

What they do is what the commands `audit list`, `audit review` and `audit reviews` do.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User
from ...audit.classes import Retention, class_of
from ...audit.events import Event
from ...audit.models import AuditReview
from ...audit.reading import Filter, ordered, with_patients
from ...audit.record import acting
from ...audit.reviews import REVIEWER_LENGTH, Review, as_shown, sign_off
from ...clinical.paging import Page, read_page
from ...database import writing
from ...extensions import settings
from ...sessions.acts import record_act
from ...sessions.claims import AccessClaims
from ..admin.administering import demand_administrator
from ..api.operating import demand_fresh_credential

Shown = dict[str, Any]


def report(
    sql: Sql,
    claims: AccessClaims,
    which: Filter,
    *,
    now: datetime,
    page: int,
    page_size: int,
    sort: str,
    order: str,
) -> Page[Shown]:
    """Return a page of the events that match. Raises Forbidden.

    That the trail was read is an event itself, before anything is shown.
    """
    demand_administrator(sql, claims, now=now)
    asked = ordered(which, sort=sort, descending=order == "descending")
    with writing(sql):
        found = read_page(sql, asked, page=page, page_size=page_size)
        rows = with_patients(sql, [row._asdict() for row in found.items])
        about = [which.patient_id] if which.patient_id is not None else []
        record_act(
            sql,
            claims,
            Event.TRAIL_READ,
            now=now,
            about=which.user_id,
            patient_ids=about,
            by=which.named(),
            events=len(rows),
        )
    kept = Retention.from_settings(settings())
    return Page([_event(row, kept) for row in rows], found.total, page, page_size)


def sign(
    sql: Sql,
    claims: AccessClaims,
    which: Filter,
    findings: str,
    *,
    follow_up: bool,
    password: str | None,
    now: datetime,
) -> Shown:
    """Sign a review off, by the name of who is logged in.

    Raises Forbidden, InsufficientUserAuthentication, InvalidCredentials, ValidationFailed.
    """
    demand_administrator(sql, claims, now=now)
    demand_fresh_credential(sql, claims, password, now=now, purpose="audit_review")
    with writing(sql):
        name = sql.scalars(select(User.name).where(User.id == claims.user_id)).one()
        review_id = sign_off(
            sql,
            which,
            Review(name[:REVIEWER_LENGTH], findings, follow_up),
            now=now,
            actor=acting(claims.user_id),
            user_id=claims.user_id,
            sid=claims.sid,
            jti=claims.jti,
        )
        return as_shown(sql.get_one(AuditReview, review_id))


def list_signed(
    sql: Sql, claims: AccessClaims, *, now: datetime, page: int, page_size: int
) -> Page[Shown]:
    """Return a page of what was reviewed, the newest first. Raises Forbidden."""
    demand_administrator(sql, claims, now=now)
    with writing(sql):
        newest = select(AuditReview).order_by(AuditReview.id.desc())
        found = read_page(sql, newest, page=page, page_size=page_size)
        record_act(sql, claims, Event.TRAIL_READ, now=now, by=["reviews"], events=0)
        return found.map(_review)


def _review(row: Row[*tuple[Any, ...]]) -> Shown:
    return as_shown(row[0])


def _event(event: dict[str, Any], kept: Retention) -> Shown:
    return event | {
        "detail": event["detail"] or {},
        "retention_class": str(class_of(event["event"])),
        "kept_until": kept.until(event["event"], event["recorded_at"]),
    }
