"""How long a revoked session is still let in: `python -m tests.bench.effect`.

From the answer of the log-out to the last request that a worker let in, for each worker and each
session that ends, while others ask as fast as they can. With messages, with Redis gone, and with
every worker's pulse stopped.
"""

import json
import multiprocessing
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import quantiles

import psycopg
from rich.console import Console
from rich.table import Table

from carelink_api.database import BACKGROUND_NAME
from tests.bench.__main__ import CONNECTIONS, environment, log_in, prepare
from tests.bench.load import Connection, get, measure, post
from tests.e2e.clients import _peers
from tests.processes import wait_for
from tests.servers import PostgresServer, SettledServer, ValkeyServer

WORKERS = int(os.environ.get("WORKERS", "8"))
ENDINGS = int(os.environ.get("ENDINGS", "40"))
REFUSALS = 3
"""So many in a row, and a worker has learnt it."""
Pair = dict[str, str]


def main() -> None:
    table = Table(title=f"{WORKERS} workers, {ENDINGS} sessions ended, {CONNECTIONS} others asking")
    for heading in ("DENYLIST_CHECK", "store", "p50 ms", "p99 ms", "max ms", "log-out"):
        table.add_column(heading, justify="right" if "ms" in heading else "left")
    with ValkeyServer() as valkey, PostgresServer() as postgres:
        database = postgres.create_database("effect")
        prepare(database, valkey.url)
        for check in ("redis", "memory"):
            env = environment(database, valkey.url) | {"CARELINK_DENYLIST_CHECK": check}
            faults: dict[str, Callable[[], AbstractContextManager[None]]] = {
                "all is well": nullcontext,
                "Redis is gone": lambda: _gone(valkey),
                "every pulse hangs": lambda: _pulses_hang(postgres),
            }
            for name, fault in faults.items():
                with SettledServer(env, workers=WORKERS) as server:
                    pairs = [log_in(server, i % CONNECTIONS, "guarded") for i in range(ENDINGS)]
                    others = [log_in(server, i, "guarded")["access"] for i in range(CONNECTIONS)]
                    table.add_row(check, name, *_row(server, pairs, others, fault()))
    Console(width=110).print(table)


def _row(
    server: SettledServer,
    pairs: Sequence[Pair],
    others: Sequence[str],
    fault: AbstractContextManager[None],
) -> Iterator[str]:
    load = multiprocessing.Process(target=_ask_on, args=(server.port, server.pid, others))
    load.start()
    workers = _one_to_each(server)
    with fault:
        ends = [_end(server, workers, pair) for pair in pairs]
    load.terminate()
    load.join()
    late = [1000 * seconds for found, _ in ends for seconds in found]
    cuts = quantiles(late, n=100, method="inclusive")
    yield from (f"{cuts[49]:.1f}", f"{cuts[98]:.1f}", f"{max(late):.1f}")
    yield " ".join(sorted({str(status) for _, status in ends}))


def _ask_on(port: int, pid: int, tokens: Sequence[str]) -> None:
    bodies = [post("/api/auth/verify/", json.dumps({"token": token})) for token in tokens]
    measure(port, lambda i, _: bodies[i], server_pid=pid, connections=len(tokens), seconds=600)


def _one_to_each(server: SettledServer) -> list[Connection]:
    """Return a connection that each worker has taken."""
    found: dict[int, Connection] = {}

    def complete() -> bool:
        one = Connection(server.port)
        one.ask(get("/health/live/"))
        port = one.socket.getsockname()[1]
        pid = next((each for each in server.worker_pids() if port in _peers(each)), None)
        if pid is not None:
            found.setdefault(pid, one)
        return len(found) == server.workers

    wait_for(complete, "a connection to every worker")
    return list(found.values())


def _end(
    server: SettledServer, workers: Sequence[Connection], pair: Pair
) -> tuple[list[float], int]:
    """Log one session out; return how long each worker let it in, and the log-out's status."""
    asking = post("/api/auth/verify/", json.dumps({"token": pair["access"]}))
    for worker in workers:
        assert worker.ask(asking)[0] == 200
    ending = Connection(server.port)
    ending.send(post("/api/auth/logout/", json.dumps({"refresh": pair["refresh"]})))
    accepted_at, refusals, answered = dict.fromkeys(workers, 0.0), dict.fromkeys(workers, 0), None
    with selectors.DefaultSelector() as selector:
        for one in (ending, *workers):
            selector.register(one.socket, selectors.EVENT_READ, one)
        for worker in workers:
            worker.send(asking)
        while answered is None or min(refusals.values()) < REFUSALS:
            for ready, _ in selector.select(1):
                one = ready.data
                if (got := one.receive()) is None:
                    continue
                if one is ending:
                    answered = (time.perf_counter(), got[0])
                    continue
                refusals[one] = refusals[one] + 1 if got[0] == 401 else 0
                if got[0] == 200:
                    accepted_at[one] = one.sent_at
                one.send(asking)
    for worker in workers:
        worker.wait()
    ending.socket.close()
    return [max(0.0, at - answered[0]) for at in accepted_at.values()], answered[1]


@contextmanager
def _gone(valkey: ValkeyServer) -> Iterator[None]:
    valkey.kill()
    try:
        yield
    finally:
        valkey.start()


@contextmanager
def _pulses_hang(postgres: PostgresServer) -> Iterator[None]:
    """Stop the processes that answer the workers' threads, and no others."""
    threads = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
    with psycopg.connect(host=str(postgres.folder), user="postgres") as looker:
        found = [pid for (pid,) in looker.execute(threads, [BACKGROUND_NAME])]
    assert len(found) >= WORKERS
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(1.5)  # until every pulse is too old
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
