"""PostgreSQL stopped, crashed and hung under load: reading goes on, refreshes come back."""

import signal
import time

import pytest

from tests.auth_helper import Account
from tests.faults.sql.conftest import StartCrowd
from tests.faults.sql.crowd import LOST, assert_one_line_each
from tests.servers import ApiServer, PostgresServer


def stop(server: PostgresServer, how: str) -> None:
    if how == "crash":
        server.kill()
    else:
        server._end({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])


@pytest.mark.parametrize("how", ["fast", "immediate", "crash"])
def test_reading_goes_on_while_postgresql_is_away_and_refreshes_come_back(
    how: str,
    own_server: ApiServer,
    own_postgres: PostgresServer,
    own_account: Account,
    crowd_on: StartCrowd,
) -> None:
    with crowd_on(own_server, own_account) as crowd:
        crowd.wait_for("refresh", 200)
        since = time.monotonic()
        stop(own_postgres, how)
        refused_after = crowd.wait_for("refresh", 503)
        crowd.wait_for("read", 200, count=20)
        own_postgres.start()
        back_after = crowd.wait_for("refresh", 200)
        crowd.told(f"PostgreSQL {how}", since)
        print(f"MEASURED refused after {refused_after:.2f} s, back after {back_after:.2f} s")
    assert crowd.unexcused("read") == {200}
    assert set(crowd.statuses("refresh")) == {200, 503}
    refusals = [answer for answer in crowd.all_answers() if answer.status == 503]
    assert all(int(str(answer.retry_after)) >= 1 for answer in refusals)
    assert_one_line_each(crowd, own_postgres.url("store"))


def test_reading_goes_on_while_postgresql_hangs_on_its_local_socket(
    own_server: ApiServer,
    own_postgres: PostgresServer,
    own_account: Account,
    crowd_on: StartCrowd,
) -> None:
    with crowd_on(own_server, own_account) as crowd:
        crowd.wait_for("refresh", 200)
        since = time.monotonic()
        own_postgres.pause()
        try:
            crowd.wait_for("refresh", LOST, 503, count=1)
            crowd.wait_for("read", 200, count=1)
        finally:
            own_postgres.resume()
        back_after = crowd.wait_for("refresh", 200)
        crowd.told("PostgreSQL hung", since)
        print(f"MEASURED back after {back_after:.2f} s")
    assert crowd.unexcused("read") == {200}
    assert set(crowd.statuses("refresh")) <= {200, 503, LOST}
    assert_one_line_each(crowd, own_postgres.url("store"))
