"""The servers of the tests do what the tests believe of them."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests import forked
from tests.servers import PostgresServer, ValkeyServer


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer(tcp=True) as server:
        yield server


def read(server: ValkeyServer, name: str) -> str | None:
    with server.client(socket_timeout=2) as client:
        value: str | None = client.get(name)
        return value


def write(server: ValkeyServer, name: str, value: str) -> None:
    with server.client() as client:
        client.set(name, value)


def test_valkey_answers_on_its_socket_and_its_port(server: ValkeyServer) -> None:
    for url in (server.url, server.tcp_url):
        with redis.Redis.from_url(url) as client:
            assert client.ping()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_valkey_keeps_its_data_when_it_ends(server: ValkeyServer, end: str) -> None:
    write(server, "a", "1")
    getattr(server, end)()
    assert not server.answers()
    server.start()
    assert read(server, "a") == "1"


def test_valkey_restarted_empty_has_lost_everything(server: ValkeyServer) -> None:
    write(server, "a", "1")
    server.restart(empty=True)
    assert read(server, "a") is None


def test_paused_valkey_hangs_and_goes_on_when_resumed(server: ValkeyServer) -> None:
    write(server, "a", "1")
    server.pause()
    with server.client(socket_timeout=0.1) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    server.resume()
    assert read(server, "a") == "1"


def test_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="nonsense"), ValkeyServer(config={"nonsense": "1"}):
        pass


def rows_of(postgres: PostgresServer, database: str) -> list[tuple[int, ...]]:
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname=database) as connection:
        return connection.execute("SELECT number FROM numbers").fetchall()


def test_postgres_copies_a_database_and_drops_it(postgres: PostgresServer) -> None:
    postgres.create_database("one")
    postgres.execute("CREATE TABLE numbers AS SELECT 7 AS number", "one")
    postgres.create_database("two", template="one")
    assert rows_of(postgres, "two") == [(7,)]
    postgres.drop_database("one")
    postgres.drop_database("two")
    with pytest.raises(psycopg.OperationalError):
        rows_of(postgres, "two")


def test_postgres_stops_crashes_hangs_and_comes_back() -> None:
    with PostgresServer() as server:
        server.execute("CREATE TABLE numbers (number int)")
        server.execute("INSERT INTO numbers VALUES (1)")
        server.restart()
        assert rows_of(server, "postgres") == [(1,)]
        server.pause()
        assert not server.answers()
        server.resume()
        assert server.answers()
        server.kill()
        assert not server.answers()
        server.start()
        assert server.answers()


@pytest.mark.parametrize(("given", "status", "told"), [("[1]", 0, "[\n    1\n]\n"), ("[", 1, "")])
def test_a_forked_process_reads_its_input_and_ends_with_its_own_status(
    given: str, status: int, told: str, tmp_path: Path
) -> None:
    done = forked.run([sys.executable, "-m", "json.tool"], cwd=tmp_path, env={}, stdin=given)
    assert (done.returncode, done.stdout) == (status, told)
    assert bool(done.stderr) == bool(status)


def test_a_forked_process_is_killed_like_any_other(tmp_path: Path) -> None:
    waiting, log = tmp_path / "waiting", str(tmp_path / "log")
    os.mkfifo(waiting)
    writer = os.open(waiting, os.O_RDWR)  # who reads waits for more
    command = [sys.executable, "-m", "json.tool"]
    process = forked.Forked(command, tmp_path, {}, [str(waiting), log, log])
    assert process.poll() is None
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    os.close(writer)
