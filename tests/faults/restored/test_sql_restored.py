"""SQL restored from a backup: what comes back with it, and the one command that closes it.

The backup forgets ends, retirements and whole sessions that came after it.
"""

from dataclasses import dataclass

import pytest
import redis
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.extensions import db
from carelink_api.housekeeping.keeper import Housekeeper
from tests.conftest import Travel
from tests.faults.restored.backups import Backups
from tests.faults.restored.workers import Pair, Worker
from tests.sessions.helpers import events, parts

REVOKE_ALL = ("sessions", "revoke", "--all", "--reason", "restored from backup", "--yes")


@dataclass(frozen=True)
class Day:
    """What has happened to the sessions of a day, of which the backup knows only the morning."""

    ended: Pair
    """It went on at the time of the backup, and was logged out later."""
    retired: Pair
    """The generation at the time of the backup, ..."""
    current: Pair
    """... and the one that is good now."""
    later: Pair
    """It started after the backup, and goes on."""
    later_ended: Pair
    """It started after the backup, and was logged out."""

    @property
    def over(self) -> list[Pair]:
        return [self.ended, self.later_ended]

    @property
    def everything(self) -> list[Pair]:
        return [*self.over, self.retired, self.current, self.later]


@pytest.fixture
def restored_day(worker: Worker, sql_backups: Backups, travel: Travel) -> Day:
    account = worker.auth.create_user()
    ended, retired = (worker.start(account) for _ in range(2))
    sql_backups.take()
    travel(60)
    current = worker.refreshed(worker.refreshed(retired))
    later, later_ended = (worker.start(account) for _ in range(2))
    for pair in (ended, later_ended):
        worker.auth.logout(pair["refresh"])
    travel(60)
    sql_backups.restore()
    return Day(ended, retired, current, later, later_ended)


def test_workers_that_ran_through_it_refuse_what_they_have_seen_end(
    worker: Worker, restored_day: Day, redis_client: redis.Redis
) -> None:
    redis_client.flushall()
    worker.beat()
    worker.beat()
    assert [worker.asks(pair) for pair in restored_day.over] == ["revoked", "revoked"]


def test_redis_refuses_what_the_backup_has_revived(worker: Worker, restored_day: Day) -> None:
    new = worker.another()
    assert [new.asks(pair) for pair in restored_day.over] == ["revoked", "revoked"]
    revived = new.auth.refresh(restored_day.ended["refresh"]).get_json()
    assert new.asks(revived) == "revoked", "no token of that session gets in"


def test_the_housekeeper_ends_again_what_redis_knows_to_have_ended(
    worker: Worker, restored_day: Day, sql: Sql
) -> None:
    new = worker.another()
    assert "the database did not: 1;" in new.command("housekeep", "--once")
    (told,) = events(sql, restored_day.ended["session"]["id"])
    assert (told.event, told.actor) == ("session:revoked", "housekeeper")
    assert [new.refreshes(pair) for pair in restored_day.over] == ["revoked", "revoked"]
    assert new.refreshes(restored_day.current) == "in", "nobody else is thrown out"
    assert "the database did not" not in new.command("housekeep", "--once")


def test_without_the_command_a_backup_lets_in_what_redis_has_lost_too(
    worker: Worker, restored_day: Day, redis_client: redis.Redis
) -> None:
    redis_client.flushall()
    new = worker.another()
    assert [new.asks(pair) for pair in restored_day.everything] == ["in"] * 5
    assert new.refreshes(restored_day.ended) == "in"
    assert new.refreshes(restored_day.retired) == "in"
    assert new.refreshes(restored_day.later) == "revoked", "it has no row"


@pytest.mark.parametrize("redis_is_lost_too", [False, True])
def test_after_revoking_everyone_no_token_of_before_gets_in(
    worker: Worker, restored_day: Day, redis_client: redis.Redis, redis_is_lost_too: bool
) -> None:
    if redis_is_lost_too:
        redis_client.flushall()
    worker.another().command(*REVOKE_ALL)
    if redis_is_lost_too:
        redis_client.flushall()
    worker.beat()
    worker.beat()  # the first may have met a connection that the restoration has ended
    for each in (worker, worker.another()):
        for pair in restored_day.everything:
            assert (each.asks(pair), each.refreshes(pair)) == ("revoked", "revoked")


def test_after_revoking_everyone_people_log_in_and_work(worker: Worker, restored_day: Day) -> None:
    new = worker.another()
    new.command(*REVOKE_ALL)
    pair = new.auth.tokens()
    for each in (new, new.another()):
        assert each.asks(pair) == "in"
    assert new.asks(new.refreshed(pair)) == "in"


def test_a_worker_that_slept_through_it_finds_what_ended_since_under_an_old_number(
    worker: Worker, sql_backups: Backups, redis_client: redis.Redis, travel: Travel
) -> None:
    account = worker.auth.create_user()
    victim, *others = (worker.start(account) for _ in range(6))
    sql_backups.take()
    for pair in others[:3]:
        worker.auth.logout(pair["refresh"])
    sleeping = worker.another()
    sql_backups.restore()

    new = worker.another()
    new.auth.logout(victim["refresh"])  # number 1 of the restored database: three were seen
    for pair in others[:4]:
        new.auth.logout(pair["refresh"])  # and now it has counted past them
    redis_client.flushall()

    travel(10)
    sleeping.beat()
    sleeping.beat()
    assert sleeping.asks(victim) == "revoked"


def test_a_second_restoration_does_not_take_the_command_back(
    worker: Worker, sql_backups: Backups, restored_day: Day, redis_client: redis.Redis
) -> None:
    worker.another().command(*REVOKE_ALL)
    worker.beat()
    worker.beat()
    sql_backups.restore()
    redis_client.flushall()
    worker.beat()
    worker.beat()
    assert worker.asks(restored_day.later) == "revoked"


def test_the_running_housekeeper_notices_a_restoration(
    worker: Worker, sql_backups: Backups
) -> None:
    account = worker.auth.create_user()
    revived, spare = (worker.start(account) for _ in range(2))
    sql_backups.take()
    with worker.app.app_context():
        keeper = Housekeeper(parts(worker.app))
        keeper.round(db.session(), clock.now())
        worker.auth.logout(revived["refresh"])
        keeper.round(db.session(), clock.now())
        db.session.remove()
        sql_backups.restore()
        with capture_logs() as logged:
            ended_again = sum(_round(keeper) for _ in range(3))
    assert ended_again == 1
    assert [line["sessions"] for line in logged if line["event"] == "database_had_forgotten"] == [1]
    new = worker.another()
    assert (new.refreshes(revived), new.refreshes(spare)) == ("revoked", "in")


def _round(keeper: Housekeeper) -> int:
    try:
        return keeper.round(db.session(), clock.now()).ended_again
    except SQLAlchemyError:
        db.session.rollback()
        return 0
