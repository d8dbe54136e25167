"""A worker's ear on a real Valkey, and what the guard makes of what it hears."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api import clock, redis_client
from carelink_api.database import background_engine
from carelink_api.sessions.denylist import Denylist, Entry
from carelink_api.sessions.grants import new_sid
from carelink_api.sessions.hints import CHANNEL, Hint
from carelink_api.sessions.listening import DEAF_SECONDS, Hearing, ListenerThread
from carelink_api.sessions.pulse import Pulse
from tests.auth_helper import Auth
from tests.conftest import MakeApp, Travel
from tests.ops.commands import sqlite_only
from tests.processes import wait_for
from tests.servers import ValkeyServer
from tests.sessions.helpers import end_elsewhere, parts, settle

pytestmark = sqlite_only


class EndingHearing(Hearing):
    """An ear whose thread ends with the test."""

    over = False
    ended = False

    def take(self, message: bytes | None) -> None:
        super().take(message)
        self._end_thread()

    def end(self) -> None:
        super().end()
        self._end_thread()

    def _end_thread(self) -> None:
        if self.over:
            self.ended = True
            raise SystemExit


class EndingListener(ListenerThread):
    was_started = False

    def _run(self) -> None:
        self.was_started = True
        with suppress(SystemExit):
            super()._run()


@dataclass
class Ear:
    """A worker's pulse, beaten by hand, and its listening thread."""

    server: ValkeyServer
    pulse: Pulse
    hearing: EndingHearing
    thread: EndingListener
    denylist: Denylist
    sid: str = field(default_factory=new_sid)

    def vouches(self) -> bool:
        return self.hearing.vouches_for(self.sid)

    def doubts(self) -> bool:
        return self.hearing.hears() and not self.vouches()

    def say(self, message: str) -> None:
        with self.server.client() as client:
            assert client.publish(CHANNEL, message) == 1

    def announce(self, *sids: str) -> None:
        now = clock.now()
        entries = [Entry(sid, "revoked", now, now + timedelta(hours=1)) for sid in sids]
        assert self.denylist.publish(entries, announce=True)


@pytest.fixture
def ear(store: str, fragile: ValkeyServer) -> Iterator[Ear]:
    client = redis_client.build(fragile.url)
    pulse = Pulse(background_engine(store))
    hearing = EndingHearing(pulse)
    thread = EndingListener(client, hearing)
    denylist = Denylist(client, leeway=timedelta(seconds=10))
    yield Ear(fragile, pulse, hearing, thread, denylist)
    hearing.over = True
    fragile.resume()
    if thread.was_started:
        wait_for(lambda: hearing.ended, "the thread's end")
    pulse.close()
    client.close()


@pytest.fixture
def listening(ear: Ear) -> Ear:
    """It listens, and has looked into SQL since it began."""
    ear.thread.ensure_running()
    wait_for(ear.hearing.hears, "an ear")
    assert not ear.vouches(), "what was said before it listened was not heard"
    assert ear.pulse.beat()
    assert ear.vouches()
    return ear


def test_it_doubts_what_another_worker_has_ended_until_it_has_looked(listening: Ear) -> None:
    listening.announce(listening.sid, new_sid())
    wait_for(listening.doubts, "the message")
    assert listening.hearing.vouches_for(new_sid()), "nobody else"
    assert listening.pulse.beat()
    assert listening.vouches()


def test_a_bulk_revocation_is_a_message_for_each_batch(listening: Ear) -> None:
    sids = [new_sid() for _ in range(1200)]
    listening.announce(*sids)
    wait_for(lambda: len(listening.hearing._doubts) == 1200, "all of them")
    assert not any(listening.hearing.vouches_for(sid) for sid in sids)


@pytest.mark.parametrize("message", ["", "*", "1795366505.125 short", "Ä" * 1000])
def test_what_none_of_us_has_written_changes_nothing(listening: Ear, message: str) -> None:
    listening.say(message)
    listening.announce(listening.sid)
    wait_for(listening.doubts, "the next message")
    assert len(listening.hearing._doubts) == 1


@pytest.mark.parametrize("fault", [ValkeyServer.pause, ValkeyServer.kill])
def test_it_notices_that_it_hears_nothing_and_listens_again(
    listening: Ear, fault: Callable[[ValkeyServer], None]
) -> None:
    fault(listening.server)
    wait_for(lambda: not listening.hearing.hears(), "the silence")
    if listening.server.process is None:
        listening.server.start()
    listening.server.resume()
    wait_for(listening.hearing.hears, "the next message, if there were one")
    assert not listening.vouches(), "something may have been said meanwhile"
    assert listening.pulse.beat()
    assert listening.vouches()


def test_without_the_right_to_listen_it_is_deaf_and_endings_are_not_pending(ear: Ear) -> None:
    with ear.server.client() as client:
        client.execute_command("ACL SETUSER default resetchannels")
        try:
            ear.thread.ensure_running()
            wait_for(lambda: ear.thread._is_deaf, "the refusal")
            assert not ear.hearing.hears()
            ear.announce(ear.sid)
        finally:
            client.execute_command("ACL SETUSER default allchannels")
        wait_for(ear.hearing.hears, "the right to listen")


def test_who_has_heard_nothing_for_a_while_does_not_vouch(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear.hearing.begin()
    assert ear.pulse.beat()
    assert ear.vouches()
    monkeypatch.setattr(clock, "monotonic", lambda: time.monotonic() + DEAF_SECONDS)
    assert not ear.vouches()
    ear.hearing.take(None)
    assert ear.vouches()


# -- the guard ------------------------------------------------------------------------------------


@dataclass
class Worker:
    """One that may answer from memory alone, and a session that it knows as good."""

    app: Flask
    token: str
    sid: str
    travel: Travel

    def hears(self, *sids: str) -> None:
        hearing = parts(self.app).hearing
        assert hearing is not None
        hearing.take(Hint(clock.wall(), sids).as_message().encode() if sids else None)

    def is_listed(self) -> None:
        """Let Redis, and nobody else, hold the session as ended."""
        now = clock.now()
        entry = Entry(self.sid, "idle", now, now + timedelta(hours=1))
        assert parts(self.app).denylist.publish([entry])

    def answer(self) -> str:
        answer = Auth(self.app).me(self.token)
        return "clean" if answer.status_code == 200 else str(answer.get_json()["reason"])


@pytest.fixture
def worker(make_app: MakeApp, redis_url: str, travel: Travel) -> Worker:
    app = make_app(denylist_check="memory")
    auth = Auth(app)
    auth.create_user()
    settle(app, travel)
    pair = auth.tokens()
    return Worker(app, pair["access"], pair["session"]["id"], travel)


def test_memory_answers_alone_while_it_hears_and_beats(worker: Worker) -> None:
    worker.is_listed()
    assert worker.answer() == "clean", "Redis was not asked"


def test_of_whom_it_has_heard_it_asks_redis_at_once(worker: Worker) -> None:
    worker.is_listed()
    worker.hears(worker.sid)
    assert worker.answer() == "idle"


def test_a_forged_message_refuses_nobody(worker: Worker) -> None:
    worker.hears(worker.sid)
    assert worker.answer() == "clean"
    assert parts(worker.app).pulse.beat()
    assert worker.answer() == "clean"


def test_a_lost_message_costs_one_beat(worker: Worker, sql: Sql) -> None:
    end_elsewhere(sql, [worker.sid], clock.now())
    assert worker.answer() == "clean", "nobody has told it"
    assert parts(worker.app).pulse.beat()
    assert worker.answer() == "revoked"


@pytest.mark.parametrize(
    ("why", "seconds"), [("its ear is deaf", 0), ("its pulse is late", 1.1), ("both", 3)]
)
def test_it_asks_redis_where(worker: Worker, why: str, seconds: float) -> None:
    worker.is_listed()
    worker.travel(seconds)
    hearing = parts(worker.app).hearing
    assert hearing is not None
    if why == "its pulse is late":
        worker.hears()
    else:
        hearing.end()
    assert worker.answer() == "idle"


def test_it_asks_redis_until_it_has_read_one_database_for_a_minute(
    worker: Worker, travel: Travel
) -> None:
    worker.is_listed()
    travel(6)  # so long without a look that the database may be another one
    assert parts(worker.app).pulse.beat()
    worker.hears()
    assert worker.answer() == "idle"
    settle(worker.app, travel)
    assert worker.answer() == "clean"


def test_what_it_has_ended_itself_it_refuses_without_any_message(
    worker: Worker, make_app: MakeApp
) -> None:
    assert Auth(worker.app).logout(access=worker.token).status_code == 200
    assert worker.answer() == "revoked"


def test_a_worker_that_asks_redis_every_time_needs_no_ear(make_app: MakeApp) -> None:
    assert parts(make_app(denylist_check="redis")).hearing is None
