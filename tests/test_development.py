"""`make run`, from an empty clone: a copy of the code in a folder with a space, run for real."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from carelink_api.config import UnsafeSettings
from carelink_api.development import free_port
from carelink_api.ops.demo import LOGINS
from tests import processes
from tests.servers import ROOT


@pytest.fixture
def clone() -> Iterator[Path]:
    folder = processes.short_folder()
    clone = folder / "a clone"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "carelink_api", clone / "carelink_api", ignore=ignored)
    shutil.copy(ROOT / "wsgi.py", clone)
    yield clone
    shutil.rmtree(folder)


class Run:
    """One `make run` in a clone, until Ctrl-C."""

    def __init__(self, clone: Path) -> None:
        self.port = processes.free_port()
        self.output = clone.parent / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "carelink_api.development"],
                cwd=clone,
                env={**os.environ, "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def __enter__(self) -> "Run":
        processes.wait_for(self._greets_or_ended, "the greeting", 60)
        assert self.process.poll() is None, self.output.read_text()
        return self

    def __exit__(self, *_: object) -> None:
        """Ctrl-C: it must end by itself, with everything that it has started."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        left = psutil.wait_procs(family, 5)[1]
        for process in left:
            process.kill()
        assert (status, left) == (0, []), self.output.read_text()

    def _greets_or_ended(self) -> bool:
        return "answers on" in self.output.read_text() or self.process.poll() is not None

    def login(self, host: str = "127.0.0.1") -> httpx.Response:
        body = {"email": LOGINS[0].email, "password": LOGINS[0].password}
        url = f"http://{host}:{self.port}/api/auth/login/"
        return httpx.post(url, json=body, timeout=60)


def test_it_serves_the_demo_logins_ends_on_ctrl_c_and_keeps_its_data(clone: Path) -> None:
    with Run(clone) as run:
        first = run.login(host="localhost")
        assert first.status_code == 200
        for login in LOGINS:
            assert login.password in run.output.read_text()
    with Run(clone) as run:
        answer = httpx.post(
            f"http://127.0.0.1:{run.port}/api/auth/refresh/",
            json={"refresh": first.json()["refresh"]},
            timeout=60,
        )
        assert answer.status_code == 200
        assert "Loaded the demo hospital" not in run.output.read_text()


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "5000.0", "²", "999999999"])
def test_a_port_that_is_none_is_refused_with_the_mend(text: str) -> None:
    with pytest.raises(UnsafeSettings, match="make run PORT=5001"):
        free_port(text)


def test_a_taken_port_is_refused_with_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnsafeSettings, match=f"Port {port} is taken.*PORT={port + 1}"):
            free_port(str(port))


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_port_that_is_taken_on_the_other_localhost_is_refused() -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as other,
        pytest.raises(UnsafeSettings, match="is taken"),
    ):
        free_port(str(other.getsockname()[1]))


def test_a_free_port_is_taken_as_it_is() -> None:
    port = processes.free_port()
    assert free_port(str(port)) == port
