"""What was revoked is refused by every worker, as the setting promises: at once, or in a second."""

import time
from functools import partial

import pytest

from tests.auth_helper import Auth
from tests.conftest import MakeServer
from tests.e2e.clients import (
    PROMISED_SECONDS,
    Api,
    all_at_once,
    ask,
    each_worker,
    granted,
    speaking_to,
)

WORKERS, CALLS = 4, 100


def statuses_of(workers: list[Api], access: str, since: float, grace: float) -> list[int]:
    """Ask every worker a hundred times; return the statuses of what was sent after the grace."""

    def ask_often(api: Api) -> list[int]:
        seen = [ask(partial(api.me, access)) for _ in range(CALLS)]
        while seen[-1].sent_at - since <= grace:
            seen.append(ask(partial(api.me, access)))
        seen += [ask(partial(api.me, access)) for _ in range(CALLS if grace else 0)]
        return [each.status for each in seen if each.sent_at - since > grace]

    asked = all_at_once([partial(ask_often, api) for api in workers])
    return [status for statuses in asked for status in statuses]


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("check", "grace"), [("redis", 0.0), ("memory", PROMISED_SECONDS)])
def test_of_a_hundred_calls_to_each_of_four_workers_after_a_revocation_none_is_served(
    check: str, grace: float, auth: Auth, api_server: MakeServer
) -> None:
    account = auth.create_user()
    server = api_server(workers=WORKERS, blocking_threads=4, denylist_check=check)
    with speaking_to(server) as api, each_worker(server) as workers:
        mine, other = api.tokens(account), api.tokens(account)
        assert {one.me(other["access"]).status_code for one in workers} == {200}
        granted(api.end(other["session"]["id"], mine["access"]))
        answered_at = time.monotonic()
        statuses = statuses_of(workers, other["access"], answered_at, grace)
        assert len(statuses) >= WORKERS * CALLS
        assert set(statuses) == {401}
        assert {one.me(mine["access"]).status_code for one in workers} == {200}
