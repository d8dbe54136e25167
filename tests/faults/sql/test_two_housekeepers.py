"""Two housekeepers at work, one of which is killed at any point: nothing is lost, nothing twice."""

import os
import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
import redis
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit import chain
from carelink_api.audit.keys import AuditKeys
from carelink_api.audit.models import AuditBlock, AuditEvent
from carelink_api.audit.verifying import Verifier
from carelink_api.sessions.denylist import session_key
from carelink_api.sessions.models import Session
from tests.auth_helper import Auth
from tests.conftest import MakeSettings, environment
from tests.processes import wait_for
from tests.servers import HousekeeperServer
from tests.sessions.helpers import insert_sessions

KILLS = int(os.environ.get("HOUSEKEEPER_KILLS", "3"))
SESSIONS = 300
IDLE = timedelta(seconds=15 * 60 + 60)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_whoever_is_killed_each_session_ends_once_and_each_event_is_sealed_once(
    make_settings: MakeSettings, auth: Auth, sql: Sql, redis_client: redis.Redis
) -> None:
    settings = make_settings(audit_seal_seconds=1)
    sids = _idle_soon(sql, auth.create_user().id)
    stopping = threading.Event()
    writer = threading.Thread(target=_write_events, args=(sql, stopping))
    keepers = [HousekeeperServer(environment(settings)) for _ in range(2)]
    chance = random.Random()
    try:
        for keeper in keepers:
            keeper.start()
        writer.start()
        for kill in range(KILLS):
            reached = (kill + chance.random()) * SESSIONS / KILLS
            wait_for(lambda so_far=reached: _ended(sql) >= so_far, "some sessions to end", 90)
            victim = chance.choice(keepers)
            victim.kill()
            victim.start()
        wait_for(lambda: _ended(sql) == SESSIONS, "every session to end", 90)
        stopping.set()
        writer.join()
        wait_for(lambda: len(_sealed(sql)) == _count(sql), "every event to be sealed", 90)
        wait_for(lambda: all(map(redis_client.exists, map(session_key, sids))), "Redis to know")
    finally:
        stopping.set()
        for keeper in keepers:
            keeper.close()
    ends = Counter(sql.scalars(select(AuditEvent.sid).where(AuditEvent.event == "session:expired")))
    assert ends == Counter(sids)
    assert sorted(_sealed(sql)) == list(sql.scalars(select(AuditEvent.id).order_by(AuditEvent.id)))
    assert Verifier(sql, AuditKeys.from_settings(settings), lambda _: None).run().faults == []


def _idle_soon(sql: Sql, user_id: int) -> list[str]:
    """Make sessions that become idle one after the other, within seconds."""
    now = clock.now()
    sids = insert_sessions(sql, user_id, SESSIONS, now, profile="high_security")
    for number, sid in enumerate(sids):
        last = now - IDLE + timedelta(seconds=1 + 6 * number / SESSIONS)
        sql.execute(update(Session).where(Session.id == sid).values(last_active_at=last))
    sql.commit()
    return sids


def _write_events(sql: Sql, stopping: threading.Event) -> None:
    """Write events all the time, some of which are undone: their ids stay open."""
    number = 0
    with Sql(sql.get_bind()) as own:
        while not stopping.wait(0.01):
            event = {"recorded_at": clock.now(), "event": "patient:read", "outcome": "success"}
            own.execute(insert(AuditEvent).values(event))
            own.rollback() if number % 7 == 0 else own.commit()
            number += 1


def _ended(sql: Sql) -> int:
    sql.rollback()
    over = select(func.count()).select_from(Session).where(Session.ended_at.is_not(None))
    return sql.execute(over).scalar_one()


def _count(sql: Sql) -> int:
    return sql.execute(select(func.count()).select_from(AuditEvent)).scalar_one()


def _sealed(sql: Sql) -> list[int]:
    sql.rollback()
    return [each for ids in sql.scalars(select(AuditBlock.ids)) for each in chain.read_ids(ids)]
