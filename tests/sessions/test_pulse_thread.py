"""The thread that keeps the pulse beating, and requests that wait for it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest

from carelink_api.database import background_engine
from carelink_api.sessions import pulse
from tests.conftest import Travel
from tests.processes import wait_for
from tests.servers import PostgresServer
from tests.sessions.helpers import CountedPulse, EndingPulseThread

on_postgresql = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a first read as long as a busy machine needs."""
    monkeypatch.setattr(pulse, "FIRST_LOOK_SECONDS", 120.0)


@pytest.fixture
def thread(store: str) -> Iterator[EndingPulseThread]:
    """A pulse's thread that does not run yet."""
    thread = EndingPulseThread(CountedPulse(background_engine(store)))
    yield thread
    thread.end()


@contextmanager
def held(connection: psycopg.Connection) -> Iterator[None]:
    """Let every read of the pulse hang."""
    with connection.transaction():
        connection.execute("LOCK TABLE change_counter IN ACCESS EXCLUSIVE MODE")
        yield


def gives_up_at_once(thread: EndingPulseThread) -> bool:
    """Look once more, in vain; return whether that was without waiting."""
    before = thread.beaten.waits
    assert not thread.look()
    return thread.beaten.waits == before


def test_a_look_takes_300_ms_at_most() -> None:
    assert pulse.LOOK_SECONDS == 0.3 < pulse.INTERVAL_SECONDS


def test_a_look_starts_the_thread_and_waits_for_its_first_read(thread: EndingPulseThread) -> None:
    assert thread.look()
    assert thread.pulse.has_read


def test_the_pulse_beats_by_itself(thread: EndingPulseThread) -> None:
    thread.ensure_running()
    wait_for(lambda: thread.pulse.beats >= 3, "three beats")


def test_a_look_does_not_wait_for_the_next_beat(
    thread: EndingPulseThread, travel: Travel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "INTERVAL_SECONDS", 3600.0)
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 120.0)
    assert thread.look()
    travel(60)
    assert not thread.pulse.is_fresh()
    assert thread.look()


@on_postgresql
def test_waiting_requests_share_one_read(
    thread: EndingPulseThread, only_postgresql: psycopg.Connection
) -> None:
    with ThreadPoolExecutor(20) as pool:
        with held(only_postgresql):
            looks = [pool.submit(thread.look) for _ in range(20)]
            wait_for(lambda: thread.pulse.beats == 1, "the read")
        assert all(look.result() for look in looks)
    assert thread.pulse.beats <= 2


@on_postgresql
def test_a_look_gives_up_after_300_ms_and_then_nobody_waits(
    thread: EndingPulseThread, only_postgresql: psycopg.Connection, travel: Travel
) -> None:
    assert thread.look()
    with held(only_postgresql):
        travel(60)
        assert not thread.look()  # which ends although the lock does not
        assert thread.beaten.waits == 2
        # Where the machine takes half a second in between, it is tried again.
        wait_for(partial(gives_up_at_once, thread), "a look that does not wait")
    wait_for(thread.look, "a look that succeeds again")


def test_a_look_does_not_hang_with_a_server_that_hangs() -> None:
    with PostgresServer() as server:
        url = server.create_database("store")
        server.execute(
            "CREATE TABLE change_counter AS"
            " SELECT 1 AS id, 0 AS value, NULL::timestamptz AS refuse_logins_before,"
            " 0 AS key_change",
            "store",
        )
        server.execute(
            "CREATE TABLE sessions (id text, refuse_from timestamptz, end_reason text,"
            " change_number bigint, latest_expires_at timestamptz)",
            "store",
        )
        thread = EndingPulseThread(CountedPulse(background_engine(url)))
        assert thread.look()
        server.pause()
        wait_for(lambda: not thread.pulse.is_fresh(), "the list to age")
        assert not thread.look()
        wait_for(partial(gives_up_at_once, thread), "a look that does not wait")
        server.resume()
        wait_for(thread.look, "a look that succeeds again")
        thread.end()


def test_a_dead_thread_is_started_again(thread: EndingPulseThread) -> None:
    finished = threading.Thread(target=lambda: None)
    finished.start()
    finished.join()
    thread._daemon._thread = finished
    thread.ensure_running()
    wait_for(lambda: thread.pulse.beats > 0, "a beat")


def test_after_a_fork_the_thread_is_started_in_the_new_process(thread: EndingPulseThread) -> None:
    assert thread.look()
    assert thread.running == 1
    thread._daemon._pid -= 1  # what a child finds: a thread object of its parent's
    thread.ensure_running()
    wait_for(lambda: thread.running == 2, "a thread of its own")


def test_ensuring_a_running_thread_starts_no_other(thread: EndingPulseThread) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            pool.submit(thread.ensure_running)
    assert thread.running == 1
