"""A real Valkey that fails in every way, and what can be relied on to stand in it."""

import shutil
from enum import StrEnum
from pathlib import Path

from tests.servers import ValkeyServer

_BROKEN_MASTER = ("127.0.0.1", 1)
"""A primary that nobody can reach: the replica keeps its data, and is read-only."""


class Mode(StrEnum):
    """What is wrong with Redis at the moment."""

    HEALTHY = "healthy"
    HUNG = "hung"
    GONE = "gone"
    FULL = "full"
    EVICTING = "evicting"
    REPLICA = "read-only: a replica"
    LONELY = "read-only: too few replicas"


UNREACHABLE = {Mode.HUNG, Mode.GONE}
TAKES_NOTHING = {Mode.HUNG, Mode.GONE, Mode.FULL, Mode.REPLICA, Mode.LONELY}
_SETTINGS: dict[Mode, dict[str, object]] = {
    Mode.FULL: {"maxmemory": 1},
    Mode.LONELY: {"min-replicas-to-write": 1},
}
_DEFAULTS: dict[str, object] = {
    "maxmemory": 0,
    "maxmemory-policy": "noeviction",
    "min-replicas-to-write": 0,
}


class RedisUnderFire:
    """The server, its fault, and the sessions that it holds for certain."""

    def __init__(self, server: ValkeyServer) -> None:
        self.server = server
        self.mode = Mode.HEALTHY
        self.holds: set[str] = set()
        self._kept: set[str] | None = None
        """What the old file holds; None while there is none."""

    @property
    def answers(self) -> bool:
        return self.mode not in UNREACHABLE

    @property
    def pending(self) -> set[bool]:
        """Whether an end may be answered with `pending`: one of these."""
        if self.mode is Mode.EVICTING:
            return {True, False}  # it makes room by dropping others, if it finds any
        return {self.mode in TAKES_NOTHING}

    @property
    def has_old_file(self) -> bool:
        return self._kept is not None

    def took(self, sids: set[str]) -> None:
        """Note what was written and acknowledged."""
        if self.mode is not Mode.EVICTING:
            self.holds |= sids

    def break_down(self, mode: Mode) -> None:
        """Let a healthy server fail in that way."""
        assert self.mode is Mode.HEALTHY
        match mode:
            case Mode.HUNG:
                self.server.pause()
            case Mode.GONE:
                self.server.kill()
            case Mode.REPLICA:
                with self.server.client() as client:
                    client.replicaof(*_BROKEN_MASTER)
            case Mode.EVICTING:
                self._start_evicting()
            case _:
                self._configure(_SETTINGS[mode])
        self.mode = mode

    def mend(self) -> None:
        """End the fault; what it has lost stays lost."""
        if self.server.process is None:
            self.server.start()
        self.server.resume()
        with self.server.client() as client:
            client.replicaof("NO", "ONE")
        self._configure(_DEFAULTS)
        self.mode = Mode.HEALTHY

    def flush(self) -> None:
        with self.server.client() as client:
            client.flushall()
        self.holds.clear()

    def lose(self, key: str, sid: str) -> None:
        """Lose a single entry."""
        with self.server.client() as client:
            client.delete(key)
        self.holds.discard(sid)

    def crash(self) -> None:
        """Lose power and come back with the append-only file."""
        self.server.kill()
        self._come_back()

    def restart_empty(self) -> None:
        self.server.restart(empty=True)
        self.holds.clear()
        self._come_back()

    def keep_file(self) -> None:
        """Put a copy of the append-only file aside."""
        shutil.rmtree(self._old_file, ignore_errors=True)
        shutil.copytree(self._file, self._old_file)
        self._kept = set(self.holds)

    def restart_from_old_file(self) -> None:
        assert self._kept is not None
        self.server.stop()
        shutil.rmtree(self._file)
        shutil.copytree(self._old_file, self._file)
        self.holds &= self._kept
        self._come_back()

    def begin(self) -> None:
        """Be as new: mended, empty, and without an old file."""
        self.mend()
        self.flush()
        self._kept = None

    def _come_back(self) -> None:
        self.mend()  # a restart also forgets what was configured

    def _start_evicting(self) -> None:
        with self.server.client() as client:
            used = client.info("memory")["used_memory"]
        self._configure({"maxmemory-policy": "allkeys-random", "maxmemory": used})
        self.holds.clear()

    def _configure(self, values: dict[str, object]) -> None:
        with self.server.client() as client:
            for name, value in values.items():
                client.config_set(name, value)

    @property
    def _file(self) -> Path:
        return self.server.folder / "appendonlydir"

    @property
    def _old_file(self) -> Path:
        return self.server.folder / "old"
