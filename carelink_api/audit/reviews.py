"""Reviews of the trail (45 CFR 164.308(a)(1)(ii)(D)): who has looked at what, and found what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Sql

from ..errors import ValidationFailed
from .events import Event, Outcome
from .models import AuditReview
from .reading import Filter, count_events
from .record import record

REVIEWER_LENGTH = 100


@dataclass(frozen=True)
class Review:
    """What a reviewer signs off."""

    reviewer: str
    findings: str
    follow_up: bool
    """Something has to be done about it."""


def sign_off(
    sql: Sql, which: Filter, review: Review, *, now: datetime, actor: str, **who: Any
) -> int:
    """Store a review of the events that match, in the caller's transaction; return its id.

    The event that tells of it holds no word that somebody has typed; `who` is what it says of a
    session, where there is one. Raises ValidationFailed for a period that is not over: nobody has
    reviewed what nobody has done yet.
    """
    if which.until is None or which.until > now:
        raise ValidationFailed({"until": ["Is not over yet."]})
    events = count_events(sql, which)
    stored = insert(AuditReview).values(
        reviewed_at=now,
        reviewer=review.reviewer,
        since=which.since,
        until=which.until,
        scope={k: v for k, v in vars(which).items() if k not in ("since", "until") and v},
        events=events,
        findings=review.findings,
        follow_up=review.follow_up,
    )
    review_id: int = sql.execute(stored.returning(AuditReview.id)).scalar_one()
    record(
        sql,
        Event.AUDIT_REVIEWED,
        now=now,
        outcome=Outcome.SUCCESS,
        actor=actor,
        review=review_id,
        events=events,
        follow_up=review.follow_up,
        by=which.named(),
        **who,
    )
    return review_id


def list_reviews(sql: Sql, limit: int) -> list[dict[str, Any]]:
    """Return the newest reviews."""
    newest = select(AuditReview).order_by(AuditReview.id.desc()).limit(limit)
    return [as_shown(row) for row in sql.scalars(newest)]


def as_shown(row: AuditReview) -> dict[str, Any]:
    """Return what a review says."""
    return {column.name: getattr(row, column.name) for column in AuditReview.__table__.columns}
