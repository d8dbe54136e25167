"""The client whose MGET keeps a connection for each thread."""

import multiprocessing
import threading

import pytest
import redis

from carelink_api import redis_client
from carelink_api.redis_lookup import LookupRedis
from tests.servers import ValkeyServer

KEYS = ("a", "b")


@pytest.fixture
def client(redis_url: str) -> LookupRedis:
    client = redis_client.build(redis_url)
    assert isinstance(client, LookupRedis)
    client.set("a", "1")
    return client


def connections(valkey: ValkeyServer) -> set[str]:
    with valkey.client() as other:
        return {one["id"] for one in other.client_list() if one["cmd"] == "mget"}


def test_a_thread_asks_through_one_connection_of_its_own(
    client: LookupRedis, valkey: ValkeyServer
) -> None:
    client.mget(*KEYS)
    mine = connections(valkey)
    client.mget(*KEYS)
    assert connections(valkey) == mine
    seen: list[set[str]] = []

    def ask() -> None:
        client.mget(*KEYS)
        seen.append(connections(valkey))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(seen[0] - mine) == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew(
    client: LookupRedis, valkey: ValkeyServer
) -> None:
    client.mget(*KEYS)
    with valkey.client() as other:
        for name in connections(valkey):
            other.client_kill_filter(_id=name)
    assert client.mget(*KEYS) == [b"1", None]


def test_a_late_answer_is_not_taken_for_the_next_ones() -> None:
    with ValkeyServer() as server:
        client = redis_client.build(server.url)
        client.set("a", "old")
        assert client.mget("a") == [b"old"]
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.mget("a")
        server.resume()
        assert client.mget("b") == [None]


def test_a_server_that_is_gone_is_said_at_once_and_found_again() -> None:
    with ValkeyServer() as server:
        client = redis_client.build(server.url)
        client.mget(*KEYS)
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.mget(*KEYS)
        server.start()
        assert client.mget(*KEYS) == [None, None]


def test_an_error_for_an_answer_keeps_the_answers_apart(client: LookupRedis) -> None:
    client.mget(*KEYS)
    with pytest.raises(redis.ResponseError):
        client.mget()  # no key: the server refuses the command
    assert client.mget(*KEYS) == [b"1", None]


def test_a_forked_process_does_not_use_its_parents_connection(
    client: LookupRedis, valkey: ValkeyServer
) -> None:
    client.mget(*KEYS)
    mine = connections(valkey)
    fork = multiprocessing.get_context("fork")
    seen = fork.SimpleQueue()

    def ask() -> None:
        client.mget(*KEYS)
        seen.put(connections(valkey))

    child = fork.Process(target=ask)
    child.start()
    theirs = seen.get()
    child.join()
    assert len(theirs - mine) == 1
    assert client.mget(*KEYS) == [b"1", None]
