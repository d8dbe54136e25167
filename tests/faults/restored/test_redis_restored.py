"""Redis restored from an old file: SQL decides, so nobody revoked comes in."""

import pytest

from carelink_api.sessions.denylist import session_key
from tests.conftest import MakeApp, Travel
from tests.faults.restored.backups import ValkeyBackups
from tests.faults.restored.workers import Worker
from tests.servers import ValkeyServer


@pytest.mark.parametrize("append_only", ["yes", "no"], ids=["append-only file", "snapshot"])
def test_a_redis_restored_from_an_old_file_lets_nobody_in(
    make_app: MakeApp, travel: Travel, append_only: str
) -> None:
    with ValkeyServer(config={"appendonly": append_only}) as valkey:
        worker, backups = Worker(make_app, redis_url=valkey.url), ValkeyBackups(valkey)
        account = worker.auth.create_user()
        before, after, retired = (worker.start(account) for _ in range(3))
        worker.auth.logout(before["refresh"])
        backups.take()
        worker.auth.logout(after["refresh"])
        healthy = worker.refreshed(worker.refreshed(retired))

        backups.restore()

        with valkey.client() as client:
            listed = [client.exists(session_key(pair["session"]["id"])) for pair in (before, after)]
        assert listed == [1, 0], "the file is an old one"
        for each in (worker, worker.another()):
            assert [each.asks(pair) for pair in (before, after)] == ["revoked"] * 2
            assert [each.refreshes(pair) for pair in (before, after)] == ["revoked"] * 2
            assert each.asks(healthy) == "in"
        travel(60)  # out of the grace period
        assert worker.refreshes(retired) == "reused"
        assert worker.another().asks(healthy) == "reused"


def test_the_housekeeper_writes_back_what_the_old_file_lacks(
    make_app: MakeApp, own_valkey: ValkeyServer
) -> None:
    worker, backups = Worker(make_app, redis_url=own_valkey.url), ValkeyBackups(own_valkey)
    pair = worker.start(worker.auth.create_user())
    backups.take()
    worker.auth.logout(pair["refresh"])
    backups.restore()

    worker.command("housekeep", "--once")

    with own_valkey.client() as client:
        assert client.get(session_key(pair["session"]["id"])).startswith("logged_out:")
