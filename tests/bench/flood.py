"""10,000 revocations a second for a minute: `python -m tests.bench.flood`.

Sessions are ended in SQL and in Redis, and announced; meanwhile others ask as fast as they can.
Shown each five seconds: how many have ended, the workers' memory, the age of the oldest pulse, and
what those who ask have waited.
"""

import multiprocessing
import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection as Pipe
from statistics import quantiles

import httpx
import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine, text, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock, redis_client
from carelink_api.database import one_of, writing
from carelink_api.sessions.changes import take_change_number
from carelink_api.sessions.denylist import Denylist, Entry
from carelink_api.sessions.grants import new_sid
from carelink_api.sessions.models import Session
from carelink_api.sessions.reasons import EndReason
from tests.bench.__main__ import CONNECTIONS, environment, log_in, prepare
from tests.bench.load import Requests, get, measure
from tests.servers import PostgresServer, SettledServer, ValkeyServer

PER_SECOND = int(os.environ.get("PER_SECOND", "10000"))
SECONDS = int(os.environ.get("SECONDS", "60"))
BATCH = int(os.environ.get("BATCH", "100"))
"""Of at most 100 a worker remembers each by itself, which takes most memory."""
STEP_SECONDS = 5
ASKING = int(os.environ.get("ASKING", str(CONNECTIONS)))
"""Connections that ask as fast as they can: eight leave the others a part of two cores."""
_BEGUN = text("""
INSERT INTO sessions (id, user_id, profile, started_at, expires_at, latest_expires_at,
                      last_active_at, generation, refresh_jti, refresh_issued_at, retired,
                      used_generation, late_reissues, late_generation)
SELECT sid, (SELECT min(id) FROM users), 'standard', now(), now() + interval '12 hours',
       now() + interval '12 hours', now(), 1, left(sid, 16), now(), '[]', 0, 0, 0
FROM unnest(CAST(:sids AS varchar[])) AS sid
""")


def main() -> None:
    table = Table(
        title=f"{PER_SECOND:,} to end a second, {BATCH} a batch, for {SECONDS} s; {ASKING} ask"
    )
    for heading in ("s", "ended", "worker MB", "pulse s", "requests/s", "p50 ms", "p99 ms", "max"):
        table.add_column(heading, justify="right")
    with ValkeyServer() as valkey, PostgresServer() as postgres:
        database = postgres.create_database("flood")
        prepare(database, valkey.url)
        engine = create_engine(database)
        sids = _sessions(engine, PER_SECOND * SECONDS)
        env = environment(database, valkey.url) | {"CARELINK_DENYLIST_CHECK": "memory"}
        with SettledServer(env) as server:
            tokens = [log_in(server, i, "guarded")["access"] for i in range(ASKING)]
            ours, theirs = multiprocessing.Pipe()
            ended = multiprocessing.Value("q", 0)
            asking = multiprocessing.Process(target=_ask_on, args=(server, tokens, theirs))
            asking.start()
            ours.recv()
            ending = multiprocessing.Process(
                target=_end_all, args=(database, valkey.url, sids, ended)
            )
            ending.start()
            began = time.monotonic()
            while ending.is_alive() and time.monotonic() < began + SECONDS + STEP_SECONDS:
                table.add_row(*_row(server, began, ended.value, ours.recv()))
            ending.terminate()
            asking.terminate()
    Console(width=100).print(table)


def _row(server: SettledServer, began: float, ended: int, waited: Sequence[float]) -> list[str]:
    heaviest = max(psutil.Process(pid).memory_info().rss for pid in server.worker_pids())
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    read = [float(line.split()[1]) for line in lines if line.startswith("carelink_pulse_read_t")]
    cuts = quantiles(waited, n=100)
    times = (f"{cuts[49]:.1f}", f"{cuts[98]:.1f}", f"{max(waited):.0f}")
    age = time.time() - min(read)
    rate = len(waited) / STEP_SECONDS
    return [f"{time.monotonic() - began:.0f}", f"{ended:,}", f"{heaviest / 1e6:.0f}", f"{age:.2f}",
            f"{rate:,.0f}", *times]  # fmt: skip


def _ask_on(server: SettledServer, tokens: Sequence[str], pipe: Pipe) -> None:
    requests = [get("/api/auth/me/", token) for token in tokens]
    next_request: Requests = lambda i, _: requests[i]  # noqa: E731
    asking = partial(measure, server.port, next_request, server_pid=server.pid, connections=ASKING)
    asking(seconds=2)
    while True:
        run = asking(seconds=STEP_SECONDS)
        assert set(run.statuses) == {200}, run.statuses
        pipe.send(run.waited_ms)


def _sessions(engine: Engine, count: int) -> list[str]:
    """Insert that many sessions of one user; return their ids."""
    sids = sorted(new_sid() for _ in range(count))
    with engine.begin() as connection:
        for start in range(0, count, 50_000):
            connection.execute(_BEGUN, {"sids": sids[start : start + 50_000]})
    return sids


def _end_all(database: str, redis_url: str, sids: Sequence[str], ended: "_Count") -> None:
    denylist = Denylist(
        redis_client.build(redis_url, timeout_seconds=5), leeway=timedelta(seconds=10)
    )
    began = time.monotonic()
    with Sql(create_engine(database)) as sql:
        for start in range(0, len(sids), BATCH):
            these, now = sids[start : start + BATCH], clock.now()
            with writing(sql):
                _end(sql, these, now)
            until = now + timedelta(hours=12)
            entries = [Entry(sid, EndReason.REVOKED, now, until) for sid in these]
            assert denylist.publish(entries, announce=True)
            ended.value += len(these)
            ahead = ended.value / PER_SECOND - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)


def _end(sql: Sql, sids: Sequence[str], now: datetime) -> None:
    """End sessions without audit events, which one writer alone delays."""
    number = take_change_number(sql)
    sql.execute(
        update(Session)
        .where(one_of(sql, Session.id, sids))
        .values(ended_at=now, end_reason="revoked", refuse_from=now, change_number=number)
        .execution_options(synchronize_session=False)
    )


class _Count:
    """A number that two processes share."""

    value: int


if __name__ == "__main__":
    main()
