"""The table of chores, read and written: heartbeats, and whose turn a shared chore is."""

import os
import secrets
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as Sql

from ..config import Settings
from ..database import writing
from ..sessions.models import Session
from .models import ChoreRow
from .schedule import Chore, Turn, intervals, is_due, late_chores

_TURN = (
    ChoreRow.name,
    ChoreRow.started_at,
    ChoreRow.held_by,
    ChoreRow.succeeded_at,
    ChoreRow.mark,
)
_BEAT_EVERY = timedelta(seconds=10)


def intervals_of(settings: Settings) -> dict[Chore, timedelta]:
    """Return how often each chore is done."""
    return intervals(
        seal=settings.audit_seal_interval,
        sign=settings.audit_checkpoint_interval,
        ships=bool(settings.audit_ship_url),
    )


def read_turns(sql: Sql) -> dict[Chore, Turn]:
    """Return what the table says of each chore that it knows."""
    known = set(Chore)
    return {
        Chore(row.name): Turn(row.started_at, row.held_by, row.succeeded_at, row.mark)
        for row in sql.execute(select(*_TURN))
        if row.name in known
    }


def read_late(sql: Sql, settings: Settings, now: datetime) -> dict[Chore, datetime | None]:
    """Return the chores that nobody has done for too long, and when each was done last."""
    return late_chores(read_turns(sql), intervals_of(settings), now)


def oldest_unpublished(sql: Sql, now: datetime) -> datetime | None:
    """Return since when the session that ended first waits to be seen in Redis; None: none does.

    Who ended it wrote to Redis himself; this is about what housekeepers have made sure of.
    """
    mark = sql.scalar(select(ChoreRow.mark).where(ChoreRow.name == Chore.PUBLISH))
    if mark is None:
        return None
    waits = (Session.change_number > mark, Session.refuse_from <= now)
    since = select(func.min(Session.refuse_from)).where(*waits, Session.latest_expires_at > now)
    return sql.execute(since).scalar()


class Ledger:
    """One housekeeper's way to the table."""

    def __init__(self, settings: Settings) -> None:
        self.me = f"{os.getpid()}-{secrets.token_hex(8)}"
        self.every = intervals_of(settings)
        self._beaten: dict[Chore, tuple[datetime, int | None]] = {}

    def take(
        self, sql: Sql, chore: Chore, turn: Turn, now: datetime, *, hurried: bool = False
    ) -> bool:
        """Take a shared chore up; return whether it is ours. Of two who ask at once one gets it.

        `hurried` takes up what nobody is at, also when it was done a moment ago.
        """
        every = timedelta(0) if hurried and turn.held_by is None else self.every[chore]
        if not is_due(turn, every, self.me, now):
            return False
        as_read = (
            ChoreRow.started_at.is_not_distinct_from(turn.started_at),
            ChoreRow.held_by.is_not_distinct_from(turn.held_by),
        )
        with writing(sql):
            taken = sql.execute(
                update(ChoreRow)
                .where(ChoreRow.name == chore, *as_read)
                .values(started_at=now, held_by=self.me)
                .returning(ChoreRow.name)
            ).all()
        return bool(taken)

    def give_back(
        self, sql: Sql, chore: Chore, now: datetime, seconds: float, *, succeeded: bool
    ) -> None:
        """Say that a shared chore is over for this time; one that did not succeed is due again.

        Not at once where another system is to blame: `ship` waits for its next time.
        """
        said: dict[str, datetime | None] = {"succeeded_at": now}
        if not succeeded:
            said = {} if chore is Chore.SHIP else {"started_at": None}
        with writing(sql):
            sql.execute(
                update(ChoreRow)
                .where(ChoreRow.name == chore, ChoreRow.held_by == self.me)
                .values(held_by=None, seconds=seconds, **said)
            )

    def mark(self, sql: Sql, chore: Chore, reached: int) -> None:
        """Say how far a chore has got."""
        with writing(sql):
            sql.execute(update(ChoreRow).where(ChoreRow.name == chore).values(mark=reached))

    def beat(
        self, sql: Sql, chore: Chore, now: datetime, seconds: float, mark: int | None = None
    ) -> None:
        """Say that a chore of our own was done: where it was long ago, or has got further."""
        at, told = self._beaten.get(chore, (None, None))
        if at is not None and told == mark and at <= now < at + _BEAT_EVERY:
            return
        with writing(sql):
            sql.execute(
                update(ChoreRow)
                .where(ChoreRow.name == chore)
                .values(started_at=now, succeeded_at=now, seconds=seconds, mark=mark)
            )
        self._beaten[chore] = (now, mark)
