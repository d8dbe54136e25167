"""Whatever happens to Redis: nobody revoked is let in for longer than a second, nobody else out."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from carelink_api.sessions.denylist import session_key
from tests.auth_helper import Account, Auth
from tests.conftest import MakeSettings, environment
from tests.e2e.clients import (
    PROMISED_SECONDS,
    Api,
    Load,
    ask,
    claims_of,
    each_worker,
    granted,
    last_accepted,
    refused,
    speaking_to,
)
from tests.e2e.conftest import Housekeep
from tests.processes import wait_for
from tests.servers import ApiServer, SettledServer, ValkeyServer

Pair = dict[str, Any]
LEEWAY_AND_A_MINUTE = 10 + 60


class Ward:
    """Two workers on a Valkey that may break, a healthy user, and one whose sessions end."""

    def __init__(
        self,
        server: ApiServer,
        workers: Sequence[Api],
        valkey: ValkeyServer,
        auth: Auth,
    ) -> None:
        self.server = server
        self.workers = workers
        self.valkey = valkey
        self.healthy = auth.create_user("stays@ward.example")
        self._leaving = auth.create_user("leaves@ward.example")

    def start(self, api: Api) -> Pair:
        """Start a session that every worker knows as good."""
        pair = api.tokens(self._leaving)
        assert api.me(pair["access"]).status_code == 200
        return pair

    def end(self, api: Api, pair: Pair, *, status: int) -> float:
        """Log the session out; return when that was answered."""
        seen = ask(partial(api.logout, pair["refresh"]))
        assert seen.status == status, seen.response.text
        assert bool(seen.response.json().get("pending")) == (status == 202)
        return seen.sent_at + seen.response.elapsed.total_seconds()

    def assert_refused_everywhere(self, pair: Pair, answered_at: float) -> None:
        """Every worker refuses the session within the promised time, and goes on refusing it."""
        after = last_accepted(self.workers, pair["access"], answered_at)
        assert after <= PROMISED_SECONDS

    def expiry_in_redis(self, pair: Pair) -> int:
        with self.valkey.client() as client:
            expires: int = client.expiretime(session_key(pair["session"]["id"]))
            return expires


def healthy_load(api: Api, account: Account) -> Load:
    """One session that asks with its access token, and one that refreshes on and on."""
    asking, refreshing = api.tokens(account), [api.tokens(account)["refresh"]]

    def refresh() -> Any:
        answer = api.refresh(refreshing[-1])
        if answer.status_code == 200:
            refreshing.append(answer.json()["refresh"])
        return answer

    return Load(partial(api.me, asking["access"]), refresh, partial(api.verify, asking["access"]))


@pytest.fixture
def ward(
    auth: Auth, make_settings: MakeSettings, own_valkey: ValkeyServer, store: str
) -> Iterator[Ward]:
    """On PostgreSQL the workers answer from memory, on SQLite they ask Redis every time."""
    check = "memory" if store.startswith("postgresql") else "redis"
    settings = make_settings(redis_url=own_valkey.url, denylist_check=check)
    with (
        SettledServer(environment(settings), workers=2) as server,
        each_worker(server) as workers,
    ):
        yield Ward(server, workers, own_valkey, auth)


@pytest.fixture
def api(ward: Ward) -> Iterator[Api]:
    with speaking_to(ward.server) as api:
        yield api


def assert_all_were_served(load: Load) -> None:
    load.assert_all_were_served()


def test_flushing_redis_lets_nobody_in_and_nobody_out(ward: Ward, api: Api) -> None:
    with healthy_load(api, ward.healthy) as load:
        for _ in range(3):
            pair = ward.start(api)
            answered_at = ward.end(api, pair, status=200)
            with ward.valkey.client() as client:
                client.flushall()
            ward.assert_refused_everywhere(pair, answered_at)
        load.wait_for_more()
    assert_all_were_served(load)


def test_hanging_redis_lets_nobody_in_and_nobody_out(ward: Ward, api: Api) -> None:
    before, during = ward.start(api), ward.start(api)
    with healthy_load(api, ward.healthy) as load:
        ended_before = ward.end(api, before, status=200)
        ward.valkey.pause()
        try:
            ward.assert_refused_everywhere(before, ended_before)
            ward.assert_refused_everywhere(during, ward.end(api, during, status=202))
            load.wait_for_more()
        finally:
            ward.valkey.resume()
        load.wait_for_more()
        for pair in (before, during):
            assert refused(api.me(pair["access"])) == "revoked"
            assert refused(api.refresh(pair["refresh"])) == "revoked"
    assert_all_were_served(load)


def test_redis_that_dies_and_comes_back_empty_lets_nobody_in_and_nobody_out(
    ward: Ward, api: Api, housekeep: Housekeep
) -> None:
    before, during = ward.start(api), ward.start(api)
    with healthy_load(api, ward.healthy) as load:
        ended_before = ward.end(api, before, status=200)
        ward.valkey.kill()
        ward.assert_refused_everywhere(before, ended_before)
        ward.assert_refused_everywhere(during, ward.end(api, during, status=202))
        load.wait_for_more()
        ward.valkey.restart(empty=True)
        load.wait_for_more()
        for pair in (before, during):
            assert refused(api.me(pair["access"])) == "revoked"
    assert_all_were_served(load)

    assert {ward.expiry_in_redis(pair) for pair in (before, during)} == {-2}
    housekeep(ward.server)
    for pair in (before, during):
        session_end = claims_of(pair["refresh"])["exp"]
        late = ward.expiry_in_redis(pair) - session_end - LEEWAY_AND_A_MINUTE
        assert 0 <= late <= 1  # whole seconds, rounded up


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_workers_use_redis_again_when_it_is_back(ward: Ward, api: Api) -> None:
    pair = ward.start(api)
    ward.valkey.kill()
    assert api.me(pair["access"]).status_code == 200
    ward.valkey.start()

    def redis_is_asked() -> bool:
        with ward.valkey.client() as client:
            before = client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0)
            for worker in ward.workers:
                granted(worker.me(pair["access"]))
            after = client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0)
        return bool(after - before == len(ward.workers))

    wait_for(redis_is_asked, "every breaker to close")
