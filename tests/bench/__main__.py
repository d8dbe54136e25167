"""Run everything once and print a table. Compare lines of one run; the machine is noisy."""

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import flask_migrate
import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session as Sql

from carelink_api import create_app
from carelink_api.config import Settings
from carelink_api.extensions import db
from carelink_api.sessions.runtime import runtime
from tests.auth_helper import PASSWORD, Auth
from tests.bench.counts import counted
from tests.bench.grown import grown_by
from tests.bench.hospital import settle
from tests.bench.load import Measured, Requests, get, measure, post
from tests.conftest import TEST_SETTINGS
from tests.servers import ApiServer, PostgresServer, SettledServer, ValkeyServer

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
CONNECTIONS = 8
HASHING = {"password_hash_memory_kib": 19456, "password_hash_iterations": 2}
LOGOUTS = 20
"""Sessions of each connection to log out of; a user may have no more."""
LOGINS_BESIDE = 4
"""Clients that log in meanwhile, with accounts of their own: the cap ends a user's old sessions."""


class BareServer(ApiServer):
    """The bare routes under the same server with the same options."""

    app = "tests.bench.bare:app"


class BareLists(ApiServer):
    """The bare lists under the same server, on the same database."""

    app = "tests.bench.bare_lists:app"


def settings_for(database: str, redis_url: str) -> dict[str, Any]:
    stores = {"sqlalchemy_database_uri": database, "redis_url": redis_url}
    return TEST_SETTINGS | HASHING | stores


def environment(database: str, redis_url: str) -> dict[str, str]:
    settings = settings_for(database, redis_url)
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in settings.items()}
    return {f"CARELINK_{name.upper()}": text for name, text in texts.items()}


def prepare(database: str, redis_url: str) -> int:
    """Migrate, make an account for each connection and fill the wards; return their ward's id."""
    app = create_app(Settings(**settings_for(database, redis_url)), background=False)
    with app.app_context():
        flask_migrate.upgrade()
        for i in range(CONNECTIONS + LOGINS_BESIDE):
            Auth(app).create_user(f"nurse{i}@ward.example")
            Auth(app).create_user(f"guarded{i}@ward.example", "doctor")
        doctor = Auth(app).create_user("doctor@ward.example", "doctor")
        with Sql(db.engine) as sql:
            ward_id = settle(sql, doctor.id)
        runtime().pulse.close()
    return ward_id


def main() -> None:
    table = Table(title=f"{CONNECTIONS} connections, 2 workers, {SECONDS:g} s each")
    for heading in ("what", "requests/s", "p50 ms", "p99 ms", "CPU µs", "answers"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    tables = [table]
    with ValkeyServer() as valkey, PostgresServer() as postgres:
        for name, database in (
            ("SQLite", f"sqlite:///{valkey.folder / 'bench.db'}"),
            ("PostgreSQL", postgres.create_database("bench")),
        ):
            ward_id = prepare(database, valkey.url)
            with BareServer({"BENCH_REDIS_URL": valkey.url}) as bare:
                for check in ("redis", "memory"):
                    _measure_guarded(table, name, bare, database, valkey.url, check)
            with ApiServer(environment(database, valkey.url)) as server:
                _measure_api(table, name, server)
                _measure_lists(table, name, server, database, ward_id)
            tables.append(counted(settings_for(database, valkey.url), valkey, title=name))
        _add_memory(table, valkey)
        _add_worker_memory(table)
    for each in tables:
        Console(width=100).print(each)


def _measure_api(table: Table, name: str, server: ApiServer) -> None:
    pairs = [log_in(server, i) for i in range(CONNECTIONS)]
    me = [get("/api/auth/me/", pair["access"]) for pair in pairs]
    with _logins_beside(server):
        _add(table, f"me on shift (SQL), beside 4 logins, {name}", _run(server, lambda i, _: me[i]))
    latest = [pair["refresh"] for pair in pairs]
    _add(table, f"refresh, {name}", _run(server, refreshing(latest)))
    _add(table, f"login, {name}", _run(server, lambda i, _: _login(i)))
    _add(table, f"logout, {name}", _run_logouts(server))


def _measure_guarded(
    table: Table, name: str, bare: BareServer, database: str, redis_url: str, check: str
) -> None:
    """A guarded request that needs no SQL, `me` of somebody who is bound to no shift; beside the
    bare route that asks Redis as often, so that both see the same weather.
    """
    path, what = {"redis": ("/redis", ", one GET"), "memory": ("/plain", "")}[check]
    env = environment(database, redis_url) | {"CARELINK_DENYLIST_CHECK": check}
    with SettledServer(env) as server:
        access = [log_in(server, i, "guarded")["access"] for i in range(CONNECTIONS)]
        me = [get("/api/auth/me/", token) for token in access]
        _run(server, lambda i, _: me[i], seconds=1.5)  # the first look is SQL's
        _add(table, f"bare route{what}", _run(bare, lambda i, _: get(path)))
        _add(table, f"me, checked in {check}, {name}", _run(server, lambda i, _: me[i]))


def _measure_lists(table: Table, name: str, server: ApiServer, database: str, ward_id: int) -> None:
    """Each list by turns with the bare one, so that both see the same weather."""
    access = [log_in(server, i)["access"] for i in range(CONNECTIONS)]
    environment = {"BENCH_DATABASE": database, "BENCH_WARD_ID": str(ward_id)}
    with BareLists(environment) as bare:
        for what in ("patients", "appointments"):
            ours = [get(f"/api/{what}/", token) for token in access]
            found = json.loads(_body(server, f"/api/{what}/", access[0]))
            assert found == json.loads(_body(bare, f"/{what}")), what
            _add(table, f"{what} ({len(found['items'])} rows), bare, {name}",
                 _run(bare, lambda i, _, what=what: get(f"/{what}")))  # fmt: skip
            _add(table, f"{what}, {name}", _run(server, lambda i, _, ours=ours: ours[i]))


def _body(server: ApiServer, path: str, token: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{server.url}{path}", headers=headers).raise_for_status().content


def refreshing(latest: list[str]) -> Callable[[int, bytes | None], bytes]:
    def following(i: int, body: bytes | None) -> bytes:
        if body is not None:
            latest[i] = json.loads(body).get("refresh", latest[i])
        return post("/api/auth/refresh/", json.dumps({"refresh": latest[i]}))

    return following


def _login(i: int) -> bytes:
    body = {"email": f"nurse{i}@ward.example", "password": PASSWORD}
    return post("/api/auth/login/", json.dumps(body))


def _run_logouts(server: ApiServer) -> Measured:
    """Log in first, as many times as it takes; then only log out."""
    kept = [[log_in(server, i)["refresh"] for _ in range(LOGOUTS)] for i in range(CONNECTIONS)]
    waiting = [iter(tokens) for tokens in kept]

    def next_logout(i: int, _: bytes | None) -> bytes | None:
        token = next(waiting[i], None)
        return token and post("/api/auth/logout/", json.dumps({"refresh": token}))

    return _run(server, next_logout)


def log_in(server: ApiServer, i: int, who: str = "nurse") -> dict[str, str]:
    body = {"email": f"{who}{i}@ward.example", "password": PASSWORD}
    answer: dict[str, str] = httpx.post(f"{server.url}/api/auth/login/", json=body).json()
    return answer


@contextmanager
def _logins_beside(server: ApiServer) -> Iterator[None]:
    stopping = threading.Event()

    def log_in_again(i: int) -> None:
        while not stopping.is_set():
            log_in(server, i)

    others = range(CONNECTIONS, CONNECTIONS + LOGINS_BESIDE)
    threads = [threading.Thread(target=log_in_again, args=(i,)) for i in others]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _run(server: ApiServer, requests: Requests, seconds: float = SECONDS) -> Measured:
    return measure(
        server.port, requests, server_pid=server.pid, connections=CONNECTIONS, seconds=seconds
    )


def _add(table: Table, name: str, run: Measured) -> None:
    table.add_row(
        name,
        f"{run.per_second:,.0f}",
        f"{run.p50_ms:.1f}",
        f"{run.p99_ms:.1f}",
        f"{run.cpu_us:,.0f}",
        ", ".join(f"{status}: {count}" for status, count in sorted(run.statuses.items())),
    )


def _add_memory(table: Table, valkey: ValkeyServer) -> None:
    """Count real bytes in Redis for each ended session."""
    count = 20_000
    with valkey.client() as client:
        before = client.info("memory")["used_memory"]
        pipe = client.pipeline(transaction=False)
        for i in range(count):
            pipe.set(f"carelink:revoked:{{{i:022}}}", "logged_out:1795366505", ex=43_200)
        pipe.execute()
        used = (client.info("memory")["used_memory"] - before) / count
    table.add_row(f"Redis bytes per ended session: {used:.0f}", "", "", "", "", "")


def _add_worker_memory(table: Table) -> None:
    """Count what a worker's memory takes, ended one by one and in bulk, each in its own process."""
    for packed in (False, True):
        how = "in bulk" if packed else "one by one"
        for count in (10**4, 10**5, 10**6):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                grown = alone.submit(grown_by, count, packed).result()
            row = f"worker MB for {count:,} ended {how}: {grown / 1e6:.1f}"
            table.add_row(row, "", "", "", "", "")


if __name__ == "__main__":
    main()
