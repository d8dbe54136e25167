"""The denylist in a real Valkey: its keys, when they expire, and what happens while it is ill."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import redis

from carelink_api import clock, redis_client
from carelink_api.sessions.denylist import BATCH, Denylist, DenylistUnavailable, Entry
from carelink_api.sessions.grants import new_jti, new_sid
from tests.processes import wait_for
from tests.servers import ValkeyServer

LEEWAY = timedelta(seconds=10)
SID, JTI = "AbCdEfGhIjKlMnOpQrSt-_", "0123456789abcdef"
SESSION_KEY = "carelink:revoked:{AbCdEfGhIjKlMnOpQrSt-_}"
TOKEN_KEY = "carelink:revoked:{AbCdEfGhIjKlMnOpQrSt-_}:0123456789abcdef"

Break = Callable[[ValkeyServer], None]


@pytest.fixture
def looker(fragile: ValkeyServer) -> Iterator[redis.Redis]:
    with fragile.client() as client:
        yield client


@pytest.fixture
def denylist(fragile: ValkeyServer) -> Iterator[Denylist]:
    client = redis_client.build(fragile.url)
    yield Denylist(client, leeway=LEEWAY)
    client.close()


def entry(
    sid: str = SID, jti: str | None = None, reason: str = "reused", at: datetime | None = None
) -> Entry:
    at = at or clock.now()
    return Entry(sid, reason, at, at + timedelta(hours=12), jti)


def test_an_ended_session_stands_under_its_sid(denylist: Denylist, looker: redis.Redis) -> None:
    assert denylist.publish([entry()])
    assert looker.keys("*") == [SESSION_KEY]


def test_a_revoked_token_stands_under_its_sid_and_jti(
    denylist: Denylist, looker: redis.Redis
) -> None:
    assert denylist.publish([entry(jti=JTI, reason="rotated")])
    assert looker.keys("*") == [TOKEN_KEY]


def test_both_keys_of_a_check_lie_in_one_cluster_slot(looker: redis.Redis) -> None:
    slots = {looker.execute_command("CLUSTER KEYSLOT", key) for key in (SESSION_KEY, TOKEN_KEY)}
    assert len(slots) == 1


def test_a_value_holds_reason_and_time_and_nothing_else(
    denylist: Denylist, looker: redis.Redis
) -> None:
    at = clock.now()
    denylist.publish([entry(at=at), entry(jti=JTI, reason="rotated", at=at)])
    assert looker.get(SESSION_KEY) == f"reused:{int(at.timestamp())}"
    assert looker.get(TOKEN_KEY) == f"rotated:{int(at.timestamp())}"


@pytest.mark.parametrize("jti", [None, JTI])
@pytest.mark.parametrize("fraction", [0, 1, 999_999])
def test_a_key_lives_to_the_latest_end_plus_leeway_and_a_minute(
    denylist: Denylist, looker: redis.Redis, jti: str | None, fraction: int
) -> None:
    until = clock.now().replace(microsecond=fraction) + timedelta(hours=12)
    denylist.publish([Entry(SID, "revoked", clock.now(), until, jti)])
    over = looker.expiretime(TOKEN_KEY if jti else SESSION_KEY) - until.timestamp()
    assert 70 <= over <= 71


def test_an_entry_is_never_changed(denylist: Denylist, looker: redis.Redis) -> None:
    first = entry(reason="idle")
    denylist.publish([first])
    before = looker.get(SESSION_KEY), looker.expiretime(SESSION_KEY)
    later = first.at + timedelta(days=1)
    assert denylist.publish([Entry(SID, "revoked", later, later + timedelta(days=9))])
    assert (looker.get(SESSION_KEY), looker.expiretime(SESSION_KEY)) == before


def test_a_clean_token_is_not_found(denylist: Denylist) -> None:
    denylist.publish([entry(sid=new_sid()), entry(jti=new_jti())])
    assert denylist.find(SID, JTI) is None


def test_a_check_finds_the_session_or_the_token(denylist: Denylist) -> None:
    denylist.publish([entry(jti=JTI, reason="rotated")])
    assert denylist.find(SID, JTI) == "rotated"
    denylist.publish([entry(reason="idle")])
    assert denylist.find(SID, JTI) == "idle"
    assert denylist.find(SID, new_jti()) == "idle"


def test_a_check_is_one_command(denylist: Denylist, looker: redis.Redis) -> None:
    denylist.find(SID, JTI)
    before = looker.info("commandstats")
    denylist.find(SID, JTI)
    after = looker.info("commandstats")
    calls = {
        name: stats["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stats in after.items()
    }
    assert {name: count for name, count in calls.items() if count} == {
        "cmdstat_mget": 1,
        "cmdstat_info": 1,
    }


@pytest.mark.parametrize("count", [0, BATCH, BATCH + 1, 2 * BATCH + 201])
def test_entries_are_written_whole_in_batches(
    denylist: Denylist, looker: redis.Redis, count: int
) -> None:
    entries = [entry(sid=new_sid()) for _ in range(count)]
    assert denylist.publish(entries)
    assert set(looker.scan_iter(count=1000)) == {one.key for one in entries}
    assert set(denylist.keys()) == {one.key for one in entries}


def test_only_the_denylist_is_listed_and_deleted(denylist: Denylist, looker: redis.Redis) -> None:
    looker.set("carelink:limits:somebody", 1)
    denylist.publish([entry(sid=new_sid()) for _ in range(BATCH + 1)])
    keys = list(denylist.keys())
    assert denylist.delete(keys) == BATCH + 1
    assert denylist.delete(keys) == 0
    assert looker.keys("*") == ["carelink:limits:somebody"]


def pause(server: ValkeyServer) -> None:
    server.pause()


def stop(server: ValkeyServer) -> None:
    server.stop()


def mend(server: ValkeyServer) -> None:
    if server.process is None:
        server.start()
    server.resume()


def find_fails(denylist: Denylist) -> None:
    with pytest.raises(DenylistUnavailable):
        denylist.find(SID, JTI)


def calls_of(looker: redis.Redis, command: str) -> int:
    """Return how many such commands the server has run, also those it found after a pause."""
    stats: dict[str, int] = looker.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})
    return stats["calls"]


def test_no_command_may_take_longer_than_a_tenth_of_a_second(denylist: Denylist) -> None:
    options = denylist.client.connection_pool.connection_kwargs
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 0.1
    assert options["retry"].get_retries() == 0


@pytest.mark.parametrize("fail", [pause, stop])
def test_a_server_that_does_not_answer_costs_one_timeout_and_then_nothing(
    fragile: ValkeyServer, denylist: Denylist, looker: redis.Redis, fail: Break
) -> None:
    assert denylist.find(SID, JTI) is None
    before = calls_of(looker, "mget")
    fail(fragile)
    find_fails(denylist)
    assert denylist.breaker_open
    for _ in range(5):
        find_fails(denylist)
    mend(fragile)
    # A server that was stopped counts from nothing again, and nothing has reached it.
    assert calls_of(looker, "mget") == (before + 1 if fail is pause else 0)


@pytest.mark.parametrize("fail", [pause, stop])
def test_the_breaker_stays_open_until_a_probe_finds_the_server_well(
    fragile: ValkeyServer, denylist: Denylist, looker: redis.Redis, fail: Break
) -> None:
    fail(fragile)
    find_fails(denylist)
    denylist.probe()
    assert denylist.breaker_open
    mend(fragile)
    before = calls_of(looker, "mget")
    find_fails(denylist)
    assert calls_of(looker, "mget") == before

    def closes() -> bool:
        denylist.probe()
        return not denylist.breaker_open

    wait_for(closes, "the breaker to close")
    assert denylist.find(SID, JTI) is None


def test_writing_ignores_the_breaker(fragile: ValkeyServer, denylist: Denylist) -> None:
    fragile.pause()
    find_fails(denylist)
    fragile.resume()
    assert denylist.publish([entry()])
    assert denylist.breaker_open


@pytest.mark.parametrize("fail", [pause, stop])
def test_writing_to_a_server_that_does_not_answer_is_tried_once_and_not_once_a_batch(
    fragile: ValkeyServer, denylist: Denylist, looker: redis.Redis, fail: Break
) -> None:
    ready = [entry(), entry(sid=new_sid())]  # over a connection that is ready for what follows
    assert denylist.publish(ready)
    before = calls_of(looker, "set")
    fail(fragile)
    assert not denylist.publish([entry(sid=new_sid()) for _ in range(10 * BATCH)])
    assert not denylist.ping()
    mend(fragile)
    if fail is pause:  # it finds in its socket what was sent meanwhile
        wait_for(lambda: calls_of(looker, "set") > before, "what was tried")
        assert calls_of(looker, "set") - before <= BATCH


def test_a_server_without_memory_takes_nothing_and_still_answers(
    denylist: Denylist, looker: redis.Redis
) -> None:
    denylist.publish([entry(reason="idle")])
    looker.config_set("maxmemory", 1)
    assert not denylist.publish([entry(sid=new_sid())])
    assert denylist.find(SID, JTI) == "idle"
    looker.config_set("maxmemory", 0)
    assert denylist.publish([entry(sid=new_sid())])


def test_a_read_only_replica_takes_nothing(denylist: Denylist, looker: redis.Redis) -> None:
    looker.replicaof("127.0.0.1", "1")
    assert not denylist.publish([entry()])


def test_a_replica_that_has_lost_its_primary_does_not_answer(
    denylist: Denylist, looker: redis.Redis
) -> None:
    looker.config_set("replica-serve-stale-data", "no")
    looker.replicaof("127.0.0.1", "1")
    find_fails(denylist)
    assert denylist.breaker_open


def test_part_of_a_batch_that_was_not_taken_makes_the_whole_pending(
    denylist: Denylist, looker: redis.Redis
) -> None:
    looker.config_set("maxmemory", looker.info("memory")["used_memory"] + 100_000)
    assert not denylist.publish([entry(sid=new_sid()) for _ in range(4 * BATCH)])
