"""What one request asks of the stores, counted, with the throttles on.

`BEGIN IMMEDIATE`, SQLite's way of taking the write lock, counts as a statement there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from sqlalchemy import Engine, event

from carelink_api import create_app
from carelink_api.config import Settings
from carelink_api.sessions.runtime import EXTENSION as RUNTIME
from tests.auth_helper import Auth
from tests.servers import ValkeyServer

EMAIL = "counted@ward.example"


@dataclass
class Counter:
    """Reads that Redis has seen (one a round trip), commands in them, and SQL statements."""

    valkey: ValkeyServer
    statements: int = 0

    def during(self, act: Callable[[], Any]) -> tuple[int, int, int]:
        with self.valkey.client() as client:
            before, self.statements = self._redis(client), 0
            act()
            after = self._redis(client)
        # The second look is a read and a command itself.
        return after[0] - before[0] - 1, after[1] - before[1] - 1, self.statements

    def count_statement(self, *_: Any) -> None:
        self.statements += 1

    @staticmethod
    def _redis(client: Any) -> tuple[int, int]:
        facts = client.info("stats")
        return facts["total_reads_processed"], facts["total_commands_processed"]


def counted(settings: dict[str, Any], valkey: ValkeyServer, *, title: str) -> Table:
    """Return the table, from an application of this process on its own account."""
    table = Table(title=f"Counted for one request, throttles on, {title}")
    for heading in ("what", "Redis round trips", "Redis commands", "SQL statements"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    app = create_app(
        Settings(**settings | {"ratelimit_enabled": True, "log_level": "warning"}), background=False
    )
    counter = Counter(valkey)
    event.listen(Engine, "before_cursor_execute", counter.count_statement)
    try:
        with app.app_context():
            auth = Auth(app)
            auth.create_user(EMAIL, "doctor")
        for name, act in _requests(auth):
            app.extensions[RUNTIME].pulse.beat()  # as its thread would: not at a request's cost
            table.add_row(name, *(str(number) for number in counter.during(act)))
    finally:
        event.remove(Engine, "before_cursor_execute", counter.count_statement)
        app.extensions[RUNTIME].pulse.close()
    return table


def _requests(auth: Auth) -> list[tuple[str, Callable[[], Any]]]:
    pair: dict[str, Any] = auth.tokens(EMAIL)

    def refresh() -> None:
        answer = auth.refresh(pair["refresh"])
        assert answer.status_code == 200
        pair.update(answer.get_json())

    refresh()
    auth.me(pair["access"])  # a token's first look is SQL's
    return [
        ("login", lambda: auth.tokens(EMAIL)),
        ("me", lambda: auth.me(pair["access"])),
        ("appointments", lambda: auth.get("/api/appointments/", pair["access"])),
        ("refresh", refresh),
        ("logout", lambda: auth.logout(pair["refresh"])),
    ]
