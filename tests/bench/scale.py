"""Revoke a crowd, and measure what it costs: `python -m tests.bench.scale 10000 100000 1000000`.

Real servers: PostgreSQL, Valkey and two workers under Granian; the commands run as operators run
them. Needs a quiet machine. `--housekeeper` runs one beside it, as in production.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from carelink_api import create_app
from carelink_api.config import Settings
from carelink_api.database import background_engine
from carelink_api.sessions.pulse import Pulse
from tests.auth_helper import Auth
from tests.bench.__main__ import environment, settings_for
from tests.bench.crowd import gather
from tests.bench.probing import Probe, Stalls, watching
from tests.conftest import close, migrate
from tests.servers import ROOT, ApiServer, PostgresServer, ValkeyServer

PROBES = 8
SPARE = 400
QUIET_SECONDS = 20.0
MIB = 1024 * 1024
_POSTGRES = {
    "shared_buffers": "2GB",
    "max_wal_size": "6GB",
    "min_wal_size": "3GB",
    "checkpoint_timeout": "15min",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("sizes", type=int, nargs="*", default=[10_000])
    options.add_argument("--housekeeper", action="store_true")
    chosen = options.parse_args()
    table = Table(title="Revoking all, two workers on PostgreSQL")
    columns: list[Mapping[str, str]] = []
    for size in chosen.sizes:
        columns.append(measured(size, housekeeper=chosen.housekeeper))
    for heading in ("sessions", *(f"{size:,}" for size in chosen.sizes)):
        table.add_column(heading, justify="right" if heading != "sessions" else "left")
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    Console(width=140).print(table)


def measured(size: int, *, housekeeper: bool) -> dict[str, str]:
    """Return what one crowd has shown, each figure by its name."""
    with ValkeyServer() as valkey, PostgresServer(config=_POSTGRES) as postgres:
        database = postgres.create_database("scale")
        migrate(database)
        with psycopg.connect(host=str(postgres.folder), user="postgres", dbname="scale",
                             autocommit=True) as connection:  # fmt: skip
            gather(connection, size)
        pairs, spare = _log_in_somebody(database, valkey)
        env = environment(database, valkey.url)
        with (
            ApiServer(env, workers=1) as one,
            ApiServer(env, workers=1) as other,  # by itself: two of one server share nothing evenly
            _keeping_house(env, housekeeper),
            Probe([one.port, other.port], pairs, spare) as probe,
        ):
            parts = _Parts([one, other], valkey, postgres)
            figures = _told(_revoke(size, parts, probe, env))
            figures |= _told(_denylist(valkey, probe, env))
        return figures | _told(_learning(database))


def _told(figures: dict[str, str]) -> dict[str, str]:
    """Print them at once: who runs out of time has them."""
    print(json.dumps(figures, indent=1), flush=True)
    return figures


@dataclass(frozen=True)
class _Parts:
    """What takes part, and what each has used."""

    servers: Sequence[ApiServer]
    valkey: ValkeyServer
    postgres: PostgresServer

    def workers(self) -> list[int]:
        return [pid for server in self.servers for pid in server.worker_pids()]


def _log_in_somebody(
    database: str, valkey: ValkeyServer
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the tokens of who asks and refreshes, and of sessions that log out."""
    of_one = {"max_sessions_per_user": 2 * SPARE, "log_level": "error"}
    app = create_app(Settings(**settings_for(database, valkey.url) | of_one), background=False)
    try:
        auth = Auth(app)
        for i in range(PROBES):
            auth.create_user(f"doctor{i}@scale.example", "doctor")
        auth.create_user("many@scale.example", "doctor")
        spare = [auth.tokens("many@scale.example") for _ in range(SPARE)]
        return [auth.tokens(f"doctor{i}@scale.example") for i in range(PROBES)], spare
    finally:
        close(app)


def _revoke(size: int, parts: _Parts, probe: Probe, env: Mapping[str, str]) -> dict[str, str]:
    time.sleep(QUIET_SECONDS / 8)  # every worker has begun
    probe.take()
    with watching(parts.valkey):  # as below
        time.sleep(QUIET_SECONDS)
    before = _memory(parts)
    normal = probe.take()
    busy = _busy(parts)
    command = ("sessions", "revoke", "--user-type", "nurse", "--reason", "a test", "--yes")
    with watching(parts.valkey) as stalls:
        answer, _ = _flask(env, *command)
    meanwhile = probe.take()
    spent = [after - before for before, after in
             zip(busy, _busy(parts), strict=True)]  # fmt: skip
    assert answer["ended"] == size, answer
    time.sleep(2)  # the workers' last look, and what they tidy
    after = _memory(parts)
    statuses = normal.statuses + meanwhile.statuses
    assert set(statuses) == {200}, statuses
    return {
        "sessions revoked a second": f"{size / answer['seconds']:,.0f}",
        "seconds": f"{answer['seconds']:.1f}",
        "CPU µs each: PostgreSQL, command, Valkey, workers": ", ".join(
            f"{seconds / size * 1e6:.0f}" for seconds in spent
        ),
        "others, before: me | refresh | log-out, p50 / p99 ms": normal.describe(),
        "others, meanwhile": meanwhile.describe(),
        "longest wait for Redis, ms": _stalled(stalls),
        "each worker, MiB before > after": ", ".join(
            f"{b:.0f} > {a:.0f}" for b, a in zip(before["workers"], after["workers"], strict=True)
        ),
        "Valkey, MiB before > after": f"{before['valkey'][0]:.0f} > {after['valkey'][0]:.0f}",
        "PostgreSQL's processes, MiB": f"{before['sql'][0]:.0f} > {after['sql'][0]:.0f}",
        "PostgreSQL's tables, MiB": f"{before['tables'][0]:.0f} > {after['tables'][0]:.0f}",
    }


def _denylist(valkey: ValkeyServer, probe: Probe, env: Mapping[str, str]) -> dict[str, str]:
    figures = {}
    for words in (("status",), ("flush", "--yes"), ("reload",)):
        with watching(valkey) as stalls:
            _, seconds = _flask(env, "denylist", *words)
        figures[f"denylist {words[0]}, s (Redis waited, ms)"] = (
            f"{seconds:.1f} ({_stalled(stalls)})"
        )
        seen = probe.take()
        assert set(seen.statuses) == {200}, seen.statuses
        figures[f"others, during {words[0]}"] = (
            f"{seen.describe()}; longest {seen.longest():.0f} ms"
        )
    return figures


def _learning(database: str) -> dict[str, str]:
    """Let a worker that knows nothing read everything."""
    with closing(Pulse(background_engine(database))) as pulse:
        begun, cpu = time.perf_counter(), time.process_time()
        while not pulse.beat():
            pass
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
        tracemalloc.start()
    with closing(Pulse(background_engine(database))) as pulse:
        for _ in range(20):
            pulse.beat()
        kept, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return {
            "a new worker has read all, s (CPU)": f"{took:.1f} ({cpu:.1f})",
            "what it remembers, MiB (most, meanwhile)": f"{kept / MIB:.1f} ({most / MIB:.1f})",
        }


def _busy(parts: _Parts) -> list[float]:
    """Return how many seconds of processor each part has used so far, ended children included."""
    command = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [
        _processor(parts.postgres.pid),
        command.ru_utime + command.ru_stime,
        _processor(parts.valkey.pid),
        sum(_processor(pid) for pid in parts.workers()),
    ]


def _processor(pid: int) -> float:
    parent = psutil.Process(pid)
    alive = [sum(each.cpu_times()[:2]) for each in parent.children()]
    return sum(parent.cpu_times()[:4]) + sum(alive)


def _memory(parts: _Parts) -> dict[str, list[float]]:
    postgres = parts.postgres
    with parts.valkey.client() as client:
        used = client.info("memory")["used_memory"]
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname="scale") as connection:
        row = connection.execute("SELECT pg_database_size('scale')").fetchone()
    assert row is not None
    workers = [psutil.Process(pid).memory_full_info().uss / MIB for pid in parts.workers()]
    return {"workers": workers, "valkey": [used / MIB], "sql": [_shared(postgres)],
            "tables": [row[0] / MIB]}  # fmt: skip


def _shared(postgres: PostgresServer) -> float:
    """Return what its processes hold together, what they share counted once."""
    family = [psutil.Process(postgres.pid), *psutil.Process(postgres.pid).children()]
    total = 0.0
    for process in family:
        try:
            total += process.memory_full_info().pss / MIB
        except psutil.NoSuchProcess:  # a worker of autovacuum
            continue
    return total


@contextmanager
def _keeping_house(env: Mapping[str, str], wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with subprocess.Popen([sys.executable, "-m", "flask", "--app", "wsgi", "housekeep"], cwd=ROOT,
                          env=os.environ | env, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as keeper:  # fmt: skip
        try:
            yield
        finally:
            keeper.terminate()


def _flask(env: Mapping[str, str], *words: str) -> tuple[Any, float]:
    """Run a command as an operator does; return its answer and how long it took."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words, "--json"],
        cwd=ROOT, env=os.environ | env, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout), time.perf_counter() - begun


def _stalled(stalls: Stalls) -> str:
    return f"{stalls.pinging:.0f}, its longest command {stalls.command:.1f}"


if __name__ == "__main__":
    main()
