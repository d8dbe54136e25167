"""One worker cut off from Redis, from PostgreSQL or from both, while another one revokes."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from carelink_api.config import Settings
from tests.auth_helper import Account
from tests.conftest import environment
from tests.e2e.clients import PROMISED_SECONDS, Api, Load, ask, granted, refused, speaking_to
from tests.faults.sql.proxy import Proxy
from tests.processes import wait_for
from tests.servers import PostgresServer, SettledServer, ValkeyServer

SURE = 10
"""So many answers in a row show that a worker does not change its mind."""


@pytest.fixture(scope="module")
def way_to_redis(own_valkey: ValkeyServer) -> Iterator[Proxy]:
    with Proxy(own_valkey.socket) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def way_to_sql(own_postgres: PostgresServer) -> Iterator[Proxy]:
    with Proxy(own_postgres.folder / ".s.PGSQL.5432") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def elsewhere(own_settings: Settings) -> Iterator[Api]:
    """A worker that always reaches both stores."""
    with (
        SettledServer(environment(own_settings), workers=1, blocking_threads=32) as server,
        speaking_to(server) as api,
    ):
        yield api


@pytest.fixture(scope="module")
def far(own_settings: Settings, way_to_redis: Proxy, way_to_sql: Proxy) -> Iterator[Api]:
    """The worker that is cut off."""
    sql = f"postgresql+psycopg://postgres@127.0.0.1:{way_to_sql.port}/store?sslmode=disable"
    redis = f"redis://127.0.0.1:{way_to_redis.port}"
    changed = {"sqlalchemy_database_uri": sql, "redis_url": redis}
    env = environment(own_settings.model_copy(update=changed))
    with (
        SettledServer(env, workers=1, blocking_threads=32) as server,
        speaking_to(server) as api,
    ):
        yield api


def is_served(api: Api, access: str) -> bool:
    return api.me(access).status_code == 200


def accepted_for(far: Api, access: str, since: float, then: int) -> float:
    """Ask until the answer is `then` for good; return when the last accepted request was sent.

    In seconds after `since`; below 0 where none was accepted.
    """
    accepted, others = since - 1, 0

    def settled() -> bool:
        nonlocal accepted, others
        seen = ask(lambda: far.me(access))
        if seen.status == 200:
            accepted, others = seen.sent_at, 0
        else:
            assert seen.status in (401, 503), seen.response.text
            others = others + 1 if seen.status == then else 0
        return others == SURE

    wait_for(settled, f"{then} from the worker that is cut off")
    return accepted - since


def cut(ways: list[Proxy], how: str) -> None:
    for way in ways:
        way.close_all() if how == "closed" else way.fall_silent()


def test_redis_is_asked_again_while_sql_still_hangs(
    elsewhere: Api, far: Api, way_to_redis: Proxy, way_to_sql: Proxy, own_account: Account
) -> None:
    healthy, new = (elsewhere.tokens(own_account) for _ in range(2))
    wait_for(partial(is_served, far, healthy["access"]), "a worker that knows the session")
    with ThreadPoolExecutor(1) as pool:
        try:
            way_to_sql.fall_silent()
            pool.submit(far.me, new["access"])  # its activity is to be written, and that hangs
            way_to_redis.fall_silent()
            wait_for(lambda: far.me(healthy["access"]).status_code == 503, "a worker on its own")
            way_to_redis.mend()
            wait_for(partial(is_served, far, healthy["access"]), "the worker again")
        finally:
            for way in (way_to_redis, way_to_sql):
                way.mend()


@pytest.mark.parametrize("how", ["closed", "silent"])
@pytest.mark.parametrize("what", ["Redis", "PostgreSQL", "both"])
def test_a_worker_that_is_cut_off_accepts_nothing_revoked_after_a_second(
    what: str,
    how: str,
    elsewhere: Api,
    far: Api,
    way_to_redis: Proxy,
    way_to_sql: Proxy,
    own_account: Account,
) -> None:
    ways = {"Redis": [way_to_redis], "PostgreSQL": [way_to_sql]}
    healthy, ended = (elsewhere.tokens(own_account) for _ in range(2))
    for pair in (healthy, ended):
        # A connection that an earlier cut has ended is found out by the request that takes it.
        wait_for(partial(is_served, far, pair["access"]), "a worker that knows the session")
    with Load(partial(far.me, healthy["access"])) as load:
        try:
            cut(ways.get(what, [way_to_redis, way_to_sql]), how)
            granted(elsewhere.logout(ended["refresh"]))
            revoked_at = time.monotonic()
            then = 503 if what == "both" else 401
            late = accepted_for(far, ended["access"], revoked_at, then)
            load.wait_for_more()
        finally:
            for way in (way_to_redis, way_to_sql):
                way.mend()
        mended_at = time.monotonic()
        wait_for(partial(is_served, far, healthy["access"]), "the worker again")
        back = time.monotonic() - mended_at
        wait_for(lambda: far.refresh(healthy["refresh"]).status_code == 200, "a refresh")
        load.wait_for_more()
        assert refused(far.me(ended["access"])) == "revoked"
    slowest = max(seen.response.elapsed.total_seconds() for seen in load.seen)
    print(
        f"MEASURED cut off from {what}, {how}: accepted for {late:.2f} s; the healthy see "
        f"{dict(load.statuses)}, slowest {slowest:.2f} s; back after {back:.2f} s"
    )
    assert late <= PROMISED_SECONDS
    if what == "both":
        assert set(load.statuses) == {200, 503}
    else:
        load.assert_all_were_served()
