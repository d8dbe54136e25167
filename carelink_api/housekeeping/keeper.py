"""The housekeeper: publishes what Redis has missed, expires sessions when their time comes, and
seals the audit trail.

What a database restored from a backup has forgotten to have ended, and Redis knows, it ends again.

One loop, one command, of bounded pieces: no chore waits for more than a piece of another. Two
housekeepers share what would cost twice (`schedule.SHARED`), by a lease. Safety does not rest on
it: what is published is never changed, a session is ended by one `UPDATE … WHERE ended_at IS NULL`,
and a block is sealed once, by its number. Whoever is killed leaves a chore to be gone on with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..audit.checkpoints import Notary
from ..audit.classes import Retention
from ..audit.guards import Watchman
from ..audit.keys import AuditKeys
from ..audit.nightly import Nightly
from ..audit.pruning import Pruner
from ..audit.record import HOUSEKEEPER
from ..audit.sealing import Sealer
from ..audit.shipping import BLOCKS_AT_ONCE, NotTaken, Shipper
from ..audit.unsealed import late_after
from ..database import writing
from ..extensions import db, settings
from ..idempotency import keeping as idempotency
from ..redis_client import STORE_ERRORS
from ..sessions.ending import MAX_BATCH
from ..sessions.models import Session
from ..sessions.publishing import Comparison, DenylistRefused, Publisher, forgotten_ends
from ..sessions.runtime import Runtime
from .clock_watch import ClockWatch
from .expiring import end_forgotten, end_overdue, end_what_hangs_on_them
from .ledger import Ledger, read_turns
from .schedule import BY_TIME, SHARED, Chore, Turn

log = structlog.get_logger(__name__)

_EXPIRE_BATCHES = 3
_COMPARE_BATCHES = 20
"""Pieces of about half a second each, of a thousand rows a batch."""


@dataclass(frozen=True)
class Done:
    """What a piece of a chore has done."""

    count: int = 0
    more: bool = False
    """Something is left that is due now."""
    succeeded: bool = True
    hurries: bool = True
    """What is left is gone on with at once, not with the next second's round."""


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
    more: bool = False
    """Something is left that is due now."""
    verifying: bool = False
    """A verification of the trail is under way."""
    clock_off: timedelta | None = None
    """The clocks are so far apart that nothing was ended or removed by time."""


class Housekeeper:
    """Does the rounds; remembers between them what Redis is known to hold."""

    def __init__(self, parts: Runtime, *, hurried: bool = False) -> None:
        """`hurried` does every chore in the first round, also one that was done a moment ago; but
        verifying, which takes long.
        """
        self._settings = settings()
        self._ledger = Ledger(self._settings)
        self._publisher = Publisher(parts.denylist)
        self._denylist = parts.denylist
        self._comparison: Comparison | None = None
        keys = AuditKeys.from_settings(self._settings)
        file = self._settings.audit_checkpoint_file
        late = late_after(self._settings.audit_seal_interval)
        self._sealer = Sealer(keys)
        self._notary = Notary(keys, self._settings.audit_checkpoint_interval, file)
        self._watchman = Watchman(HOUSEKEEPER)
        self._clocks = ClockWatch()
        self._nightly = Nightly(keys, HOUSEKEEPER, file=file, late=late)
        self._shipper = Shipper(
            self._settings.audit_ship_url, self._settings.audit_ship_token.get_secret_value()
        )
        kept = Retention.from_settings(self._settings)
        self._pruner = Pruner(keys, kept.default, kept.by_class)
        self._hurried = SHARED - {Chore.VERIFY} if hurried else frozenset()
        self._may_be_restored = True
        """The database may come from a backup: it has been out of sight, or has counted back."""
        self._ended_again = 0
        self._chores: dict[Chore, Callable[[Sql, datetime], Done]] = {
            Chore.EXPIRE: self._expire,
            Chore.PUBLISH: self._publish,
            Chore.COMPARE: self._compare,
            Chore.SEAL: self._seal,
            Chore.SIGN: self._sign,
            Chore.SHIP: self._ship,
            Chore.PRUNE: self._prune,
            Chore.FORGET: self._forget,
            Chore.VERIFY: self._verify,
        }

    def round(self, sql: Sql, now: datetime) -> Chores:
        """Do a piece of each chore that is due.

        Raises SQLAlchemyError while the database does not answer, or, after the others were done,
        where one chore has failed.
        """
        self._ended_again = 0
        done: dict[Chore, Done] = {}
        failure: SQLAlchemyError | None = None
        try:
            turns = read_turns(sql)
            self._clocks.look(sql)
            for chore in self._ledger.every:
                try:
                    done[chore] = self._piece(sql, chore, turns.get(chore, Turn()), now)
                except SQLAlchemyError as error:  # of this chore; the others go on
                    sql.rollback()
                    log.error("chore_failed", chore=str(chore), kind=type(error).__name__)
                    read_turns(sql)  # raises where it is the database that is away
                    failure = error
                except Exception:  # a fault of ours: nobody's session must go on for it
                    sql.rollback()
                    log.exception("chore_crashed", chore=str(chore))
                    done[chore] = Done(succeeded=False)  # soon it is late, which alerts
            sql.rollback()  # the reads' transaction
            if failure is not None:
                raise failure
        except SQLAlchemyError:
            self._may_be_restored = True
            raise
        return self._told(done)

    def _told(self, done: dict[Chore, Done]) -> Chores:
        return Chores(
            done[Chore.EXPIRE].count,
            done[Chore.PUBLISH].succeeded and done[Chore.COMPARE].succeeded,
            self._ended_again,
            done[Chore.SEAL].count,
            done[Chore.PRUNE].count,
            any(each.more and each.hurries for each in done.values()),
            done[Chore.VERIFY].more,
            self._clocks.off,
        )

    def _piece(self, sql: Sql, chore: Chore, turn: Turn, now: datetime) -> Done:
        if chore in BY_TIME and self._clocks.off is not None:
            return Done(succeeded=False)
        shared = self._clocks.agreed(now)  # what two housekeepers compare
        if chore not in SHARED:
            began_at = clock.monotonic()
            done = self._chores[chore](sql, now)
            if done.succeeded and not done.more:
                self._beat(sql, chore, shared, clock.monotonic() - began_at)
            return done
        ours = self._ledger.take(sql, chore, turn, shared, hurried=chore in self._hurried)
        if not ours and not (chore is Chore.COMPARE and self._publisher.must_compare):
            return Done()
        return self._shared_piece(sql, chore, now)

    def _shared_piece(self, sql: Sql, chore: Chore, now: datetime) -> Done:
        began_at = clock.monotonic()
        done = Done(succeeded=False)
        try:
            done = self._chores[chore](sql, now)
        finally:
            if not done.more:
                sql.rollback()
                seconds = clock.monotonic() - began_at
                shared = self._clocks.agreed(now)
                self._ledger.give_back(sql, chore, shared, seconds, succeeded=done.succeeded)
        self._hurried -= {chore}
        if chore is Chore.COMPARE and done.succeeded and not done.more:
            self._beat(sql, Chore.PUBLISH, self._clocks.agreed(now), 0.0)
        return done

    def _beat(self, sql: Sql, chore: Chore, now: datetime, seconds: float) -> None:
        if chore is not Chore.PUBLISH:
            self._ledger.beat(sql, chore, now, seconds)
        elif self._publisher.published is not None:
            self._ledger.beat(sql, chore, now, seconds, self._publisher.published)

    # The chores.

    def _expire(self, sql: Sql, now: datetime) -> Done:
        count, more = end_overdue(sql, self._settings, now, _EXPIRE_BATCHES)
        return Done(count, end_what_hangs_on_them(sql, now) or more)

    def _publish(self, sql: Sql, now: datetime) -> Done:
        now = self._clocks.earlier(now)  # an end that lies ahead would be refused too early
        self._end_again(sql, now)
        return Done(succeeded=self._publisher.catch_up(sql.connection(), now))

    def _compare(self, sql: Sql, now: datetime) -> Done:
        """Go on with a comparison, or begin one, on a connection of its own: it reads for long."""
        if self._comparison is None:
            self._comparison = Comparison(db.engine, self._denylist, self._clocks.earlier(now))
        try:
            more = self._comparison.go_on(_COMPARE_BATCHES)
        except DenylistRefused:
            self._end_comparison()
            self._publisher.must_compare = True
            return Done(succeeded=False)
        except SQLAlchemyError:
            self._end_comparison()
            raise
        if not more:
            self._end_comparison()
            self._publisher.must_compare = False
        return Done(more=more)

    def _end_comparison(self) -> None:
        if self._comparison is not None:
            self._comparison.close()
        self._comparison = None

    def _seal(self, sql: Sql, now: datetime) -> Done:
        return Done(*self._sealer.seal(sql, self._clocks.agreed(now)))

    def _sign(self, sql: Sql, now: datetime) -> Done:
        now = self._clocks.agreed(now)
        self._notary.round(sql, now)
        self._watchman.look(sql, now)
        return Done(succeeded=self._notary.is_told)

    def _ship(self, sql: Sql, now: datetime) -> Done:
        """Hand on what was sealed since; each block is remembered once it was taken."""
        reached = read_turns(sql)[Chore.SHIP].mark or 0
        count = 0
        try:
            for number in self._shipper.ship(sql, reached):
                self._ledger.mark(sql, Chore.SHIP, number)
                count += 1
        except NotTaken as fault:
            log.error("audit_not_shipped", fault=str(fault))
            return Done(count, succeeded=False)
        return Done(count, more=count >= BLOCKS_AT_ONCE)

    def _prune(self, sql: Sql, now: datetime) -> Done:
        pruned = self._pruner.prune(sql, now)
        return Done(pruned.events, pruned.more, pruned.whole)

    def _forget(self, sql: Sql, now: datetime) -> Done:
        """Remove some sessions that ended long ago, which the trail remembers longer, and some
        answers that nobody asks for again.
        """
        before = now - self._settings.session_retention
        long_over = select(Session.id).where(Session.ended_at < before).limit(MAX_BATCH)
        with writing(sql):
            sids = sql.scalars(long_over).all()
            sql.execute(delete(Session).where(Session.id.in_(sids), Session.ended_at < before))
            answers = idempotency.forget(sql, now, most=MAX_BATCH)
        if sids:
            log.info("sessions_forgotten", sessions=len(sids))
        return Done(len(sids), more=max(len(sids), answers) == MAX_BATCH)

    def _verify(self, sql: Sql, now: datetime) -> Done:
        events, more = self._nightly.go_on(sql, self._clocks.agreed(now))
        return Done(events, more, hurries=False)

    def _end_again(self, sql: Sql, now: datetime) -> None:
        """End what Redis knows to have ended, where the database may come from a backup."""
        if not (self._may_be_restored or self._publisher.went_back):
            return
        ended = 0
        try:
            for sids in forgotten_ends(sql, self._denylist, now):
                ended += end_forgotten(sql, sids, now)
        except STORE_ERRORS as error:
            log.info("denylist_not_read", kind=type(error).__name__)  # the next round tries again
        else:
            self._may_be_restored = self._publisher.went_back = False
        if ended:
            log.error("database_had_forgotten", sessions=ended)
        self._ended_again += ended
