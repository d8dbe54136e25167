"""A replica or a worker dies under load: nothing that was asked is lost, and no session ends."""

import os
import signal
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.auth_helper import Account
from tests.e2e.clients import Api, Load, granted
from tests.e2e.test_lost_workers import Tab
from tests.processes import wait_for
from tests.production.site import Replica, Site


@pytest.fixture
def replicas(site: Site) -> Iterator[list[Replica]]:
    """Both replicas; they run again for the next test."""
    yield site.replicas
    for replica in site.replicas:
        if replica.process is None:
            replica.start()


def end_one_worker(replica: Replica) -> None:
    """Let a worker crash, and wait for its successor."""
    before = set(replica.worker_pids())
    os.kill(min(before), signal.SIGKILL)

    def replaced() -> bool:
        running = set(replica.worker_pids())
        return len(running) == replica.workers and min(before) not in running

    wait_for(replaced, "a successor")


def once(call: Callable[[], httpx.Response], tab: Tab) -> Callable[[], httpx.Response]:
    """Call without asking again, and keep the newest pair: the proxy must see to the rest."""

    def ask() -> httpx.Response:
        answer = call()
        if "refresh" in answer.request.url.path:
            tab.pair = granted(answer)
        return answer

    return ask


def test_no_request_is_lost_with_a_replica_and_a_worker_and_no_session_ends(
    api: Api, user: Account, replicas: list[Replica]
) -> None:
    tabs = [Tab(api, api.tokens(user)) for _ in range(2)]
    asking = [once(lambda tab=tab: api.me(tab.pair["access"]), tab) for tab in tabs * 2]
    refreshing = [once(lambda tab=tab: api.refresh(tab.pair["refresh"]), tab) for tab in tabs]
    with Load(*asking, pause=0.02) as often, Load(*refreshing, pause=0.7) as seldom:
        for step in (
            lambda: None,
            replicas[0].kill,
            lambda: [api.tokens(user) for _ in range(3)],  # connecting fails: no login is lost
            lambda: end_one_worker(replicas[1]),  # the only replica there is
            replicas[0].start,
            lambda: end_one_worker(replicas[0]),
            replicas[1].kill,
            replicas[1].start,
        ):
            step()
            often.wait_for_more(60)
            seldom.wait_for_more(4)
    often.assert_all_were_served()
    seldom.assert_all_were_served()
    for tab in tabs:
        granted(api.me(granted(tab.refresh())["access"]))


def test_without_any_replica_the_proxy_says_when_to_come_back(
    api: Api, user: Account, replicas: list[Replica]
) -> None:
    pair = api.tokens(user)
    for replica in replicas:
        replica.kill()
    for answer in (api.me(pair["access"]), api.refresh(pair["refresh"]), api.login(user)):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "2"
        assert len(answer.headers.get_list("Strict-Transport-Security")) == 1
    for replica in replicas:
        replica.start()
    granted(api.me(granted(api.refresh(pair["refresh"]))["access"]))
