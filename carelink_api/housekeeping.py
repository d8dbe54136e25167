"""The housekeeper: publishes what Redis has missed, expires sessions when their time comes, and
seals the audit trail.

What a database restored from a backup has forgotten to have ended, and Redis knows, it ends again.

One loop, one command. Two at once are safe: what is published is never changed, a session is ended
by one `UPDATE … WHERE ended_at IS NULL`, and a block is sealed once, by its number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from . import clock
from .audit.checkpoints import Notary
from .audit.keys import AuditKeys
from .audit.pruning import EVERY as PRUNE_EVERY
from .audit.pruning import Pruner
from .audit.sealing import Sealer
from .config import Settings
from .database import writing
from .extensions import db, settings
from .idempotency import keeping as idempotency
from .redis_client import STORE_ERRORS
from .sessions.ending import MAX_BATCH, end_sessions, publish
from .sessions.lifetimes import IDLE_NOTICE
from .sessions.models import Session
from .sessions.publishing import Publisher, forgotten_ends
from .sessions.reasons import EndReason
from .sessions.runtime import Runtime
from .stopping import StopFlag

log = structlog.get_logger(__name__)

ACTOR = "housekeeper"
TICK_SECONDS = 1.0
RECONCILE_EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class Chores:
    """What one round has done."""

    expired: int
    redis_knows: bool
    ended_again: int = 0
    """Redis had them as ended, and the database did not."""
    sealed: int = 0
    pruned: int = 0
    """Audit events, both."""


class Housekeeper:
    """Does the rounds; remembers between them what Redis is known to hold."""

    def __init__(self, parts: Runtime) -> None:
        self._settings = settings()
        self._publisher = Publisher(parts.denylist)
        self._denylist = parts.denylist
        keys = AuditKeys.from_settings(self._settings)
        self._sealer = Sealer(keys, timedelta(seconds=self._settings.audit_seal_seconds))
        self._notary = Notary(
            keys,
            timedelta(seconds=self._settings.audit_checkpoint_seconds),
            self._settings.audit_checkpoint_file,
        )
        self._pruner = Pruner(keys, self._settings.audit_retention)
        self._forgot_at: datetime | None = None
        """When it last looked for what is too old."""
        self._reconciled_at: datetime | None = None
        self._may_be_restored = True
        """The database may come from a backup: it has been out of sight, or has counted back."""

    def round(self, sql: Sql, now: datetime) -> Chores:
        """Expire, publish, seal. Raises SQLAlchemyError while the database does not answer."""
        try:
            return self._round(sql, now)
        except SQLAlchemyError:
            self._may_be_restored = True
            raise

    def _round(self, sql: Sql, now: datetime) -> Chores:
        expired = sum(
            len(sids)
            for reason, over in _overdue(self._settings, now)
            for sids in _end_batches(sql, reason, over, now)
        )
        ended_again = self._end_again(sql, now)
        redis_knows = self._publish(sql, now)
        sealed = self._sealer.round(sql, now)
        self._notary.round(sql, now)
        pruned = self._pruner.round(sql, now)
        self._forget(sql, now)
        sql.rollback()  # the reads' transaction
        return Chores(expired, redis_knows, ended_again, sealed, pruned)

    def _forget(self, sql: Sql, now: datetime) -> None:
        """Remove some sessions that ended long ago, which the trail remembers longer, and some
        answers that nobody asks for again.
        """
        if self._forgot_at is not None and now < self._forgot_at + PRUNE_EVERY:
            return
        before = now - self._settings.session_retention
        long_over = select(Session.id).where(Session.ended_at < before).limit(MAX_BATCH)
        with writing(sql):
            sids = sql.scalars(long_over).all()
            sql.execute(delete(Session).where(Session.id.in_(sids), Session.ended_at < before))
            answers = idempotency.forget(sql, now, most=MAX_BATCH)
        if sids:
            log.info("sessions_forgotten", sessions=len(sids))
        if max(len(sids), answers) < MAX_BATCH:
            self._forgot_at = now

    def _end_again(self, sql: Sql, now: datetime) -> int:
        """End what Redis knows to have ended, where the database may come from a backup."""
        if not (self._may_be_restored or self._publisher.went_back):
            return 0
        ended = 0
        try:
            for sids in forgotten_ends(sql, self._denylist, now):
                ended += _end_forgotten(sql, sids, now)
        except STORE_ERRORS as error:
            log.info("denylist_not_read", kind=type(error).__name__)  # the next round tries again
        else:
            self._may_be_restored = self._publisher.went_back = False
        if ended:
            log.error("database_had_forgotten", sessions=ended)
        return ended

    def _publish(self, sql: Sql, now: datetime) -> bool:
        due = self._reconciled_at is None or now - self._reconciled_at >= RECONCILE_EVERY
        if not due:
            return self._publisher.catch_up(sql.connection(), now)
        if not self._publisher.reload(sql.connection(), now):
            return False
        self._reconciled_at = now
        return True


def _overdue(current: Settings, now: datetime) -> Iterator[tuple[EndReason, ColumnElement[bool]]]:
    """Yield each way in which time ends a session, and which sessions it has ended by `now`."""
    yield EndReason.SHIFT_ENDED, Session.shift_ends_at <= now
    yield EndReason.SESSION_EXPIRED, Session.expires_at <= now
    idle = []
    for name, profile in current.session_profiles.by_name().items():
        if profile.idle is not None:
            deadline = now - profile.idle - IDLE_NOTICE
            idle.append((Session.profile == name) & (Session.last_active_at < deadline))
    if idle:
        yield EndReason.IDLE, or_(*idle)


def _end_batches(
    sql: Sql, reason: EndReason, over: ColumnElement[bool], now: datetime
) -> Iterator[list[str]]:
    while True:
        with writing(sql):
            live = select(Session.id).where(over, Session.ended_at.is_(None)).limit(MAX_BATCH)
            sids = sql.scalars(live).all()
            if not sids:
                return
            # Asked again in the UPDATE: activity may have been written meanwhile.
            which = (Session.id.in_(sids), over)
            entries = end_sessions(sql, *which, reason=reason, now=now, actor=ACTOR)
        publish([entry for entry in entries if entry.until > now])
        yield [entry.sid for entry in entries]


def _end_forgotten(sql: Sql, sids: Sequence[str], now: datetime) -> int:
    with writing(sql):
        entries = end_sessions(
            sql,
            Session.id.in_(sids),
            reason=EndReason.REVOKED,
            now=now,
            actor=ACTOR,
            why="Redis held it as ended, the database did not",
        )
    publish(entries)
    return len(entries)


def run(parts: Runtime, stopping: StopFlag) -> None:
    """Do a round each second until `stopping` is set."""
    keeper = Housekeeper(parts)
    while not stopping.wait(TICK_SECONDS):
        _one_round(keeper)


def _one_round(keeper: Housekeeper) -> None:
    sql = db.session()
    try:
        chores = keeper.round(sql, clock.now())
    except SQLAlchemyError as error:  # the next round tries again; nothing is lost meanwhile
        sql.rollback()
        log.warning("housekeeping_failed", kind=type(error).__name__)
        return
    if chores.expired or chores.pruned or not chores.redis_knows:
        log.info(
            "housekeeping",
            expired=chores.expired,
            redis_knows=chores.redis_knows,
            pruned=chores.pruned,
        )
