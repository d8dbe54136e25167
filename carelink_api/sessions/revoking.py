"""Use case of operations: revoke many sessions, in batches that never hold a lock for long."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..database import writing
from .changes import refuse_logins_before
from .ending import MAX_BATCH, end_sessions, publish
from .models import Session
from .reasons import EndReason


@dataclass(frozen=True)
class Selection:
    """Which sessions: exactly one of these, or `everyone`."""

    sid: str | None = None
    email: str | None = None
    unit: str | None = None
    user_type: str | None = None
    everyone: bool = False

    def __post_init__(self) -> None:
        chosen = [self.sid, self.email, self.unit, self.user_type, self.everyone or None]
        if sum(value is not None for value in chosen) != 1:
            raise ValueError("choose one of session, user, unit, user type and everyone")

    def described(self) -> dict[str, str]:
        """Return the selection for the audit event: an e-mail address stays out of it."""
        named = {"sid": self.sid, "unit": self.unit, "user_type": self.user_type}
        scope = {key: value for key, value in named.items() if value is not None}
        return scope or {"scope": "user" if self.email else "everyone"}


@dataclass(frozen=True)
class Batch:
    """What one short transaction ended."""

    ended: int
    redis_knows: bool


def count_selected(sql: Sql, selection: Selection, *, now: datetime) -> int:
    """Return how many live sessions the selection holds."""
    return sql.scalar(
        select(func.count()).select_from(Session).where(*_live(selection, now))
    ) or 0  # fmt: skip


def revoke(
    sql: Sql, selection: Selection, why: str, *, now: datetime, actor: str
) -> Iterator[Batch]:
    """End the selected sessions, yielding after each batch of at most 1,000.

    After the last of everyone's, no token of an earlier login is taken any more: a database that
    was restored from a backup has no rows of the sessions that started after it.
    """
    while True:
        with writing(sql):
            chosen = select(Session.id).where(*_live(selection, now)).limit(MAX_BATCH)
            sids = sql.scalars(chosen).all()
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


def _live(selection: Selection, now: datetime) -> list[ColumnElement[bool]]:
    live = [Session.ended_at.is_(None), Session.expires_at > now]
    users = select(User.id)
    if selection.sid:
        return [*live, Session.id == selection.sid]
    if selection.email:
        return [*live, Session.user_id.in_(users.where(User.email == selection.email))]
    if selection.unit:
        of_unit = users.join(Unit).where(Unit.name == selection.unit)
        return [*live, Session.user_id.in_(of_unit)]
    if selection.user_type:
        return [*live, Session.user_id.in_(users.where(User.user_type == selection.user_type))]
    return live
