"""Two real Valkey servers and a Sentinel that makes one of them primary."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.redis.servers import Sentinel, Valkey
from tests.processes import wait_for


class RedundantRedis:
    """What the workers reach by `url`, whichever server is primary."""

    def __init__(self, servers: list[Valkey], sentinel: Sentinel) -> None:
        self._servers = servers
        self._sentinel = sentinel
        self.url = f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster"

    @property
    def primary(self) -> Valkey:
        port = self._sentinel.primary_port()
        return next(server for server in self._servers if server.port == port)

    def flush(self) -> None:
        """Lose everything, as by a mistyped command."""
        with self.primary.client() as client:
            client.flushall()

    def kill_primary(self) -> None:
        wait_for(self._sentinel.could_promote, "a replica in step")
        self._killed = self.primary
        self._killed.kill()

    def wait_for_another(self) -> None:
        wait_for(
            lambda: self.primary is not self._killed and _is_primary(self.primary), "a primary"
        )


def _is_primary(server: Valkey) -> bool:
    with server.client() as client:
        return bool(client.info("replication")["role"] == "master")


@contextmanager
def redundant_redis() -> Iterator[RedundantRedis]:
    with Valkey(tcp=True) as one, Valkey(tcp=True) as other:
        with other.client() as client:
            client.replicaof("127.0.0.1", str(one.port))
        with Sentinel(one) as sentinel:
            yield RedundantRedis([one, other], sentinel)
