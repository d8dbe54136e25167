"""Use case of operations: revoke many sessions, in batches that never hold a lock for long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..database import writing
from .changes import refuse_logins_before
from .ending import MAX_BATCH, end_sessions, publish
from .models import Session, live_at
from .reasons import EndReason


@dataclass(frozen=True)
class Selection:
    """Which sessions: exactly one of these, or `everyone`."""

    sid: str | None = None
    email: str | None = None
    user_id: int | None = None
    unit: str | None = None
    user_type: str | None = None
    profile: str | None = None
    everyone: bool = False

    def __post_init__(self) -> None:
        named = (self.sid, self.email, self.user_id, self.unit, self.user_type, self.profile)
        if sum(value is not None for value in named) + self.everyone != 1:
            raise ValueError("choose one of session, user, unit, user type, profile and everyone")

    def described(self) -> dict[str, Any]:
        """Return the selection for the audit event: an e-mail address stays out of it."""
        named = {"sid": self.sid, "user_id": self.user_id, "unit": self.unit,
                 "user_type": self.user_type, "profile": self.profile}  # fmt: skip
        scope = {key: value for key, value in named.items() if value is not None}
        return scope or {"scope": "everyone" if self.everyone else "user"}


@dataclass(frozen=True)
class Batch:
    """What one short transaction ended."""

    ended: int
    redis_knows: bool


def count_selected(
    sql: Sql, selection: Selection, *, now: datetime, besides: str | None = None
) -> int:
    """Return how many live sessions the selection holds, not counting the one of `besides`."""
    counted = select(func.count()).select_from(Session).where(*selected(selection, now))
    if besides is not None:
        counted = counted.where(Session.id != besides)
    return sql.scalar(counted) or 0


def revoke(
    sql: Sql,
    selection: Selection,
    why: str,
    *,
    now: datetime,
    actor: str,
    last: str | None = None,
) -> Iterator[Batch]:
    """End the selected sessions, yielding after each batch of at most 1,000.

    `last` is the session of who asks: where it is selected it is ended after all others, so that
    who stops half-way can go on. After the last of everyone's, no token of an earlier login is
    taken any more: a database that was restored from a backup has no rows of the sessions that
    started after it.
    """
    while True:
        with writing(sql):
            sids = _next_batch(sql, selection, now, last)
            if not sids:
                if selection.everyone:
                    refuse_logins_before(sql, now)
                return
            entries = end_sessions(
                sql,
                Session.id.in_(sids),
                reason=EndReason.REVOKED,
                now=now,
                actor=actor,
                why=why,
                **selection.described(),
            )
        yield Batch(len(entries), publish(entries))


def _next_batch(
    sql: Sql, selection: Selection, now: datetime, last: str | None
) -> Sequence[str]:  # fmt: skip
    chosen = select(Session.id).where(*selected(selection, now)).limit(MAX_BATCH)
    if last is None:
        return sql.scalars(chosen).all()
    others = sql.scalars(chosen.where(Session.id != last)).all()
    return others or sql.scalars(chosen.where(Session.id == last)).all()


def selected(selection: Selection, now: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions on a session that is live and selected."""
    live = live_at(now)
    users = select(User.id)
    if selection.sid:
        return [*live, Session.id == selection.sid]
    if selection.user_id:
        return [*live, Session.user_id == selection.user_id]
    if selection.profile:
        return [*live, Session.profile == selection.profile]
    if selection.email:
        return [*live, Session.user_id.in_(users.where(User.email == selection.email))]
    if selection.unit:
        of_unit = users.join(Unit).where(Unit.name == selection.unit)
        return [*live, Session.user_id.in_(of_unit)]
    if selection.user_type:
        return [*live, Session.user_id.in_(users.where(User.user_type == selection.user_type))]
    return [*live]
