"""Machines on fresh stores, and a Valkey that they may break."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from carelink_api.sessions import pulse
from tests.model.faults import MachineUnderFire
from tests.model.oracle import Windows
from tests.model.redis_under_fire import RedisUnderFire
from tests.servers import ValkeyServer
from tests.stores import Store


@pytest.fixture(scope="module")
def under_fire() -> Iterator[RedisUnderFire]:
    with ValkeyServer() as server:
        yield RedisUnderFire(server)


@pytest.fixture
def make_machine(
    store: str,
    _stores: dict[str, Store],
    under_fire: RedisUnderFire,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Windows, str], MachineUnderFire]:
    """Make machines, each on a database and in a folder of its own.

    Their workers trust memory as soon as they hear and beat, since no database is restored.
    """
    monkeypatch.setattr(pulse, "SETTLED_SECONDS", 0.0)
    kind = "sqlite" if store.startswith("sqlite") else "postgresql"
    numbers = count()

    def make(windows: Windows, check: str) -> MachineUnderFire:
        folder = tmp_path / str(next(numbers))
        return MachineUnderFire(_stores[kind].fresh, under_fire, folder, windows, check)

    return make
