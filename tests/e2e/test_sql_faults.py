"""While SQL is down, access tokens go on with Redis; nothing starts, and nobody is logged out."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from carelink_api import create_app
from carelink_api.config import Settings
from tests.auth_helper import Account, Auth
from tests.conftest import close
from tests.e2e.clients import Api, Load, each_worker, granted, refused, speaking_to
from tests.processes import wait_for
from tests.servers import ApiServer, PostgresServer, ValkeyServer

Pair = dict[str, Any]


@pytest.fixture
def account(own_settings: Settings, tmp_path: Path) -> Account:
    app = create_app(own_settings, background=False)
    account = Auth(app).create_user(f"{tmp_path.name[-40:]}@ward.example")
    close(app)
    return account


@pytest.fixture
def api(own_server: ApiServer) -> Iterator[Api]:
    with speaking_to(own_server) as api:
        yield api


@pytest.fixture
def workers(own_server: ApiServer) -> Iterator[list[Api]]:
    with each_worker(own_server) as workers:
        yield workers


def assert_unavailable(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1


def known_everywhere(workers: list[Api], api: Api, account: Account) -> Pair:
    """Start a session whose access token every worker has seen."""
    pair = api.tokens(account)
    for worker in workers:
        granted(worker.me(pair["access"]))
    return pair


def answers(worker: Api, pair: Pair, status: int) -> bool:
    return worker.me(pair["access"]).status_code == status


def is_served_again(call: Callable[[], httpx.Response]) -> bool:
    answer = call()
    assert answer.status_code in (200, 503), answer.text  # never logged out
    return answer.status_code == 200


def test_access_tokens_outlive_sql_and_everything_comes_back(
    account: Account, api: Api, workers: list[Api], own_postgres: PostgresServer
) -> None:
    pair, ended = (known_everywhere(workers, api, account) for _ in range(2))
    granted(api.logout(ended["refresh"]))
    with Load(partial(api.verify, pair["access"])) as load:
        own_postgres.stop()
        for worker in workers:
            assert_unavailable(worker.login(account))
            assert_unavailable(worker.refresh(pair["refresh"]))
            assert_unavailable(worker.logout(pair["refresh"]))
            granted(worker.me(pair["access"]))
            assert refused(worker.me(ended["access"])) == "revoked"
        load.wait_for_more()
        own_postgres.start()
        wait_for(partial(is_served_again, partial(api.refresh, pair["refresh"])), "SQL")
    load.assert_all_were_served()
    for worker in workers:
        granted(worker.me(pair["access"]))
        granted(worker.login(account))
        assert refused(worker.refresh(ended["refresh"])) == "revoked"


def test_without_redis_and_sql_nothing_is_served_and_nobody_is_logged_out(
    account: Account,
    api: Api,
    workers: list[Api],
    own_postgres: PostgresServer,
    own_valkey: ValkeyServer,
) -> None:
    pair, ended = (known_everywhere(workers, api, account) for _ in range(2))
    granted(api.logout(ended["refresh"]))
    own_valkey.kill()
    for worker in workers:
        wait_for(partial(answers, worker, ended, 401), "a pulse")
    own_postgres.stop()
    for worker in workers:
        wait_for(partial(answers, worker, pair, 503), "an old pulse")
        for _ in range(3):
            assert_unavailable(worker.me(pair["access"]))
            assert_unavailable(worker.verify(pair["access"]))
            assert_unavailable(worker.refresh(pair["refresh"]))
            assert refused(worker.me(ended["access"])) == "revoked"  # from memory

    own_valkey.restart(empty=True)
    own_postgres.start()
    for worker in workers:
        wait_for(partial(is_served_again, partial(worker.me, pair["access"])), "stores")
        assert refused(worker.me(ended["access"])) == "revoked"
    wait_for(partial(is_served_again, partial(api.refresh, pair["refresh"])), "a refresh")
    granted(api.login(account))


def test_access_tokens_outlive_sql_that_hangs(
    account: Account, api: Api, workers: list[Api], own_postgres: PostgresServer
) -> None:
    pair = known_everywhere(workers, api, account)
    with Load(partial(api.verify, pair["access"])) as load:
        own_postgres.pause()
        try:
            for worker in workers:
                for _ in range(20):
                    granted(worker.me(pair["access"]))
            load.wait_for_more()
        finally:
            own_postgres.resume()
        wait_for(partial(is_served_again, partial(api.refresh, pair["refresh"])), "SQL")
    load.assert_all_were_served()


def test_redis_that_dies_while_sql_hangs_is_answered_with_503(
    account: Account,
    api: Api,
    workers: list[Api],
    own_postgres: PostgresServer,
    own_valkey: ValkeyServer,
) -> None:
    pair = known_everywhere(workers, api, account)
    own_postgres.pause()
    try:
        own_valkey.kill()
        for worker in workers:
            wait_for(partial(answers, worker, pair, 503), "an old pulse")
            assert_unavailable(worker.me(pair["access"]))
    finally:
        own_postgres.resume()
    for worker in workers:
        wait_for(partial(is_served_again, partial(worker.me, pair["access"])), "SQL")
