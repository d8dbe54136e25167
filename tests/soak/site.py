"""The servers of a soak: PostgreSQL, Valkey, two workers of Granian and a housekeeper."""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, insert, select

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.audit.models import AuditEvent
from carelink_api.config import Settings
from carelink_api.sessions.models import Session
from tests.auth_helper import PASSWORD, weak_hash
from tests.conftest import TEST_SETTINGS, environment, migrate
from tests.servers import (
    ROOT,
    ApiServer,
    HousekeeperServer,
    PostgresServer,
    ValkeyServer,
)

STATIONS_AN_ACCOUNT = 4
_UNFORESEEN = re.compile(r'"unexpected_error"|Application callable raised')


@dataclass(frozen=True)
class Site:
    valkey: ValkeyServer
    postgres: PostgresServer
    server: ApiServer
    housekeeper: HousekeeperServer
    settings: Settings

    def accounts(self, count: int) -> list[dict[str, str]]:
        """Make doctors, whom no shift binds; return what each logs in with."""
        now, mails = clock.now(), [f"doctor{number}@soak.example" for number in range(count)]
        common = {"name": "Doctor", "user_type": "doctor", "password_hash": weak_hash(PASSWORD),
                  "created_at": now, "password_changed_at": now}  # fmt: skip
        engine = create_engine(self.settings.sqlalchemy_database_uri)
        with engine.begin() as connection:
            connection.execute(insert(User), [common | {"email": mail} for mail in mails])
        engine.dispose()
        return [{"email": mail, "password": PASSWORD} for mail in mails]

    def memory(self) -> dict[str, float]:
        """Return the resident memory of the workers together and of the housekeeper, in MB."""
        pids = {"workers": self.server.worker_pids(), "housekeeper": [self.housekeeper.pid]}
        return {name: sum(map(_megabytes, some)) for name, some in pids.items()}

    def ended(self) -> dict[str, str]:
        """Return every session that is over, and why, as the database has it."""
        rows = self._read(
            select(Session.id, Session.end_reason).where(Session.ended_at.isnot(None))
        )
        return {row[0]: row[1] for row in rows}

    def alarms(self) -> set[str]:
        """Return the sessions of which the trail says that a token was shown again."""
        reused = select(AuditEvent.sid).where(AuditEvent.event == "session:reused")
        return {row[0] for row in self._read(reused)}

    def errors(self) -> list[str]:
        """Return how the workers' log tells of each exception that nobody had foreseen."""
        told = self.server.log()
        starts = (told.rfind("\n", 0, found.start()) + 1 for found in _UNFORESEEN.finditer(told))
        return [told[start : start + 3000] for start in starts]

    def verify_trail(self) -> int:
        """Run `audit verify`; return its exit code."""
        command = (sys.executable, "-m", "flask", "--app", "wsgi", "audit", "verify")
        return int(psutil.Popen(command, cwd=ROOT, env=self.housekeeper.env).wait())

    def _read(self, query: Any) -> list[Any]:
        engine = create_engine(self.settings.sqlalchemy_database_uri)
        with engine.connect() as connection:
            rows = list(connection.execute(query))
        engine.dispose()
        return rows


def _megabytes(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


@contextmanager
def site(folder: Path, **overrides: Any) -> Iterator[Site]:
    """Start everything; the database is one that loses nothing of what it has committed."""
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer())
        postgres = stack.enter_context(PostgresServer())
        migrate(postgres.create_database("soak"))
        postgres.execute("ALTER DATABASE soak SET synchronous_commit = on")
        stores = {"sqlalchemy_database_uri": postgres.url("soak"), "redis_url": valkey.url}
        throttled = {"ratelimit_enabled": True, "trusted_proxies": 1, "log_level": "warning"}
        settings = Settings.load(folder, **(TEST_SETTINGS | stores | throttled | overrides))
        env = environment(settings)
        server = stack.enter_context(ApiServer(env, workers=2, blocking_threads=32))
        keeper = stack.enter_context(HousekeeperServer(env))
        yield Site(valkey, postgres, server, keeper, settings)
