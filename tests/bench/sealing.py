"""What sealing the audit trail costs whoever refreshes: `python -m tests.bench.sealing`.

Two workers on PostgreSQL under as many refreshes as they can do, an event each, by turns with a
housekeeper that seals beside them and with one that is stopped. Needs a quiet machine. `ROUNDS=10`
and `SECONDS=30` for more.
"""

import os
import signal
from statistics import median

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from tests.bench.__main__ import CONNECTIONS, environment, log_in, prepare, refreshing
from tests.bench.load import cpu_seconds, measure
from tests.processes import wait_for
from tests.servers import ApiServer, HousekeeperServer, PostgresServer, ValkeyServer

ROUNDS = int(os.environ.get("ROUNDS", "4"))
SECONDS = float(os.environ.get("SECONDS", "15"))
_SEALED = "SELECT coalesce(sum(size), 0) FROM audit_blocks"
_EVENTS = "SELECT count(*) FROM audit_events"


def main() -> None:
    with ValkeyServer() as valkey, PostgresServer() as postgres:
        database = postgres.create_database("sealing")
        prepare(database, valkey.url)
        env = environment(database, valkey.url)
        with (
            psycopg.connect(
                host=str(postgres.folder), user="postgres", dbname="sealing", autocommit=True
            ) as sql,
            ApiServer(env) as server,
            HousekeeperServer(env) as keeper,
        ):
            latest = [log_in(server, i)["refresh"] for i in range(CONNECTIONS)]
            rows = [_round(server, keeper, sql, latest) for _ in range(ROUNDS)]
    table = Table("refreshes/s, sealing", "stopped", "ratio", "events sealed", "CPU µs an event")
    for with_it, without, sealed, spent in rows:
        figures = f"{with_it:.0f}", f"{without:.0f}", f"{with_it / without:.3f}"
        table.add_row(*figures, f"{sealed:,}", f"{spent / max(sealed, 1) * 1e6:.0f}")
    Console().print(table)
    ratios = [with_it / without for with_it, without, *_ in rows]
    print(f"median ratio {median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")


def _round(
    server: ApiServer, keeper: HousekeeperServer, sql: psycopg.Connection, latest: list[str]
) -> tuple[float, float, int, float]:
    """Return refreshes a second with and without it, what it sealed meanwhile, and its seconds."""
    os.kill(keeper.pid, signal.SIGCONT)
    wait_for(lambda: _count(sql, _SEALED) >= _count(sql, _EVENTS), "what was left to be sealed")
    busy = [psutil.Process(keeper.pid)]
    sealed, spent = _count(sql, _SEALED), cpu_seconds(busy)
    with_it = _refreshes(server, latest)
    sealed, spent = _count(sql, _SEALED) - sealed, cpu_seconds(busy) - spent
    os.kill(keeper.pid, signal.SIGSTOP)
    try:
        without = _refreshes(server, latest)
    finally:
        os.kill(keeper.pid, signal.SIGCONT)
    return with_it, without, sealed, spent


def _refreshes(server: ApiServer, latest: list[str]) -> float:
    done = measure(server.port, refreshing(latest), server_pid=server.pid, seconds=SECONDS)
    assert set(done.statuses) == {200}, done.statuses
    for i, pair in enumerate(latest):  # what was on its way at the end is asked for again
        body = {"refresh": pair}
        answer = httpx.post(f"{server.url}/api/auth/refresh/", json=body).raise_for_status()
        latest[i] = answer.json()["refresh"]
    return done.per_second


def _count(sql: psycopg.Connection, query: str) -> int:
    row = sql.execute(query).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
