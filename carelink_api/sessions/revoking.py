"""Use case of operations: revoke many sessions, in batches that never hold a lock for long.

While SQL ends a batch, Redis and this worker's memory learn of the one before.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, func, literal, select, tuple_
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..accounts.models import Unit, User, UserType
from ..database import one_of, writing
from ..database_clock import database_clock
from ..errors import Unavailable
from .addresses import Network, is_personal, is_within
from .changes import refuse_logins_before
from .denylist import Entry
from .ending import end_sessions, publish_by
from .models import Session, live_at
from .reasons import EndReason
from .runtime import runtime

BATCH = 500
"""Sessions in one short transaction: every log-out waits for it, some 15 ms."""
_BATCHES_A_LOOK = 10


@dataclass(frozen=True)
class Selection:
    """Which sessions: exactly one of these, or `everyone`."""

    sid: str | None = None
    owner_id: int | None = None
    """Whose session `sid` is, for the audit event."""
    email: str | None = None
    user_id: int | None = None
    unit: str | None = None
    user_type: str | None = None
    profile: str | None = None
    address_range: Network | None = None
    everyone: bool = False
    staff_only: bool = False
    """Of these, no patient's: for who must not learn from where patients come."""

    def __post_init__(self) -> None:
        named = (self.sid, self.email, self.user_id, self.unit, self.user_type, self.profile,
                 self.address_range)  # fmt: skip
        if sum(value is not None for value in named) + self.everyone != 1:
            raise ValueError(
                "choose one of session, user, unit, user type, profile, address range and everyone"
            )

    def described(self) -> dict[str, Any]:
        """Return the selection for the audit event: no e-mail address, and nobody's own."""
        user_id = self.owner_id if self.user_id is None else self.user_id
        named = {"sid": self.sid, "user_id": user_id, "unit": self.unit,
                 "user_type": self.user_type, "profile": self.profile}  # fmt: skip
        scope = {key: value for key, value in named.items() if value is not None}
        if self.address_range is not None:
            personal = is_personal(self.address_range)
            scope["address_range"] = "personal" if personal else str(self.address_range)
        return scope or {"scope": "everyone" if self.everyone else "user"}


@dataclass(frozen=True)
class Batch:
    """What one short transaction ended."""

    ended: int
    redis_knows: bool
    """Redis has taken all of which it has answered so far; the last batch waits for all of it."""


class ClocksApart(Unavailable):
    detail = (
        "This machine's clock and the database's are apart, so that it cannot be said whose login "
        "was before now. Nothing was changed; let NTP set both clocks."
    )


def _never() -> bool:
    return False


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
    enough: Callable[[], bool] = _never,
    batch_size: int = BATCH,
    **detail: Any,
) -> Iterator[Batch]:
    """End the selected sessions, yielding after each batch, until all have ended or `enough` says.

    `last` is the session of who asks: where it is selected it is ended after all others, so that
    who stops half-way can go on. After the last of everyone's, no token of an earlier login is
    taken any more: a database that was restored from a backup has no rows of the sessions that
    started after it.
    """
    about = {"actor": actor, "why": why, **selection.described(), **detail}
    batches = _Batches(sql, selection, now, last, batch_size)
    ended, stop = None, False
    with _Publishing() as publishing:
        while not stop and (sids := batches.next()):
            if ended is not None:
                yield Batch(ended, publishing.has_taken)
            with writing(sql):
                at = clock.now()  # of this batch: the last may end hours after the first
                which = one_of(sql, Session.id, sids)
                entries = end_sessions(sql, which, reason=EndReason.REVOKED, now=at, **about)
            publishing.hand_over(entries)
            ended, stop = len(entries), enough()
        if selection.everyone and not stop:
            with writing(sql):
                refuse_logins_before(sql, now)
        publishing.wait()
        if ended is not None:
            yield Batch(ended, publishing.has_taken)


def demand_agreed_clock(sql: Sql) -> None:
    """See that "everyone who has logged in before now" means the same to all. Raises ClocksApart.

    By a clock that is ahead nobody could log in until its time has come; by one that is behind,
    sessions that a restored database has forgotten would be good again.
    """
    reading = database_clock(sql)
    sql.rollback()  # no transaction stays open while a person thinks
    if reading is not None and not reading.is_tolerated:
        raise ClocksApart()


class _Batches:
    """Which sessions to end next: in the order of users, and again from the first one until none
    is left, since people log in meanwhile. Looked up for several batches at once.
    """

    def __init__(
        self, sql: Sql, selection: Selection, now: datetime, last: str | None, size: int
    ) -> None:
        self._sql = sql
        self._selection = selection
        self._now = now
        self._last = last
        self._size = size
        self._passed: tuple[int, str] | None = None
        self._found: Sequence[str] = ()

    def next(self) -> Sequence[str]:
        """Return up to a batch of them, none locked; empty when all have ended."""
        found = self._found or self._look()
        self._found = found[self._size :]
        return found[: self._size]

    def _look(self) -> Sequence[str]:
        found = self._page()
        if not found and self._passed is not None:
            self._passed = None
            found = self._page()
        if not found and self._last is not None:
            chosen = selected(self._selection, self._now)
            own = select(Session.id).where(*chosen, Session.id == self._last)
            found = self._sql.scalars(own).all()
        self._sql.rollback()  # no transaction stays open while Redis is waited for
        return found

    def _page(self) -> Sequence[str]:
        order = (Session.user_id, Session.id)
        from_user = self._passed and self._passed[0]
        chosen = selected(self._selection, self._now, from_user=from_user)
        page = select(*order).where(*chosen).order_by(*order).limit(_BATCHES_A_LOOK * self._size)
        if self._passed is not None:
            page = page.where(tuple_(*order) > tuple_(*map(literal, self._passed)))
        if self._last is not None:
            page = page.where(Session.id != self._last)
        rows = self._sql.connection().execute(page).all()
        if rows:
            self._passed = rows[-1].user_id, rows[-1].id
        return [sid for _, sid in rows]


class _Publishing:
    """Tells Redis of one batch after the other, beside whoever hands them over."""

    def __init__(self) -> None:
        self._parts = runtime()
        self._thread = ThreadPoolExecutor(1, "publishing")
        self._underway: Future[bool] | None = None
        self.has_taken = True
        """Whether Redis has taken all that it was waited for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def hand_over(self, entries: Sequence[Entry]) -> None:
        """Let Redis and this worker's memory know; waits for the batch before."""
        self.wait()
        self._underway = self._thread.submit(publish_by, self._parts, entries)

    def wait(self) -> None:
        if self._underway is not None:
            self.has_taken = self._underway.result() and self.has_taken
            self._underway = None


def selected(
    selection: Selection, now: datetime, *, from_user: int | None = None
) -> list[ColumnElement[bool]]:
    """Return the conditions on a session that is live and selected.

    `from_user` says which users are over: else each page would look through all of them again.
    """
    live = live_at(now)
    users = select(User.id)
    if from_user is not None:
        users = users.where(User.id >= from_user)
    if selection.sid:
        return [*live, Session.id == selection.sid]
    if selection.user_id:
        return [*live, Session.user_id == selection.user_id]
    if selection.profile:
        return [*live, Session.profile == selection.profile]
    if selection.address_range is not None:
        staff = Session.user_id.in_(users.where(User.user_type != UserType.PATIENT))
        within = is_within(Session.address, selection.address_range)
        return [*live, within, staff] if selection.staff_only else [*live, within]
    if selection.email:
        return [*live, Session.user_id.in_(users.where(User.email == selection.email))]
    if selection.unit:
        of_unit = users.join(Unit).where(Unit.name == selection.unit)
        return [*live, Session.user_id.in_(of_unit)]
    if selection.user_type:
        return [*live, Session.user_id.in_(users.where(User.user_type == selection.user_type))]
    return [*live]
