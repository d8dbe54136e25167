"""What goes wrong, at random: one thing at a time, from a shuffled pack."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import psutil

from tests.processes import Server, wait_for
from tests.soak.site import Site
from tests.soak.villains import Villains
from tests.soak.wire import Seen

Fault = Callable[[], Awaitable[None]]
_WORKER_RESTS = 10.0
"""Granian takes a worker that dies again within 5.5 s of its start for a crash loop."""


class Faults:
    """Does them one after the other, and says so."""

    def __init__(
        self, site: Site, villains: Villains, seen: Seen, chance: random.Random, rest: float
    ) -> None:
        self._site, self._seen, self._chance, self._rest = site, seen, chance, rest
        self._killed_at = 0.0
        self.times: dict[str, int] = {}
        self.all: dict[str, Fault] = {
            "Valkey: emptied (`FLUSHALL`)": self._in_thread(self._flush),
            "Valkey: hangs (`SIGSTOP`), goes on": self._hang(site.valkey),
            "Valkey: killed, back with its file": self._in_thread(lambda: self._crash(False)),
            "Valkey: killed, back empty": self._in_thread(lambda: self._crash(True)),
            "PostgreSQL: stopped, started": self._in_thread(self._stop_sql),
            "PostgreSQL: crashes, recovers": self._in_thread(self._crash_sql),
            "PostgreSQL: hangs (`SIGSTOP`), goes on": self._hang(site.postgres),
            "a worker: killed (`SIGKILL`)": self._in_thread(self._kill_worker),
            "the housekeeper: killed, started": self._in_thread(self._kill_housekeeper),
            "a storm of revocations": villains.storm,
        }

    async def run(self, until: float, names: list[str] | None = None) -> None:
        """Do one after the other, with a rest after each, until that time."""
        pack: list[str] = []
        while time.monotonic() < until:
            if not pack:
                pack = list(names or self.all)
                self._chance.shuffle(pack)
            name = pack.pop()
            print(f"  {until - time.monotonic():5.0f} s left: {name}", flush=True)
            self._seen.fault = name
            self.times[name] = self.times.get(name, 0) + 1
            await self.all[name]()
            await asyncio.sleep(self._rest)  # what it leaves behind is still its own
            self._seen.fault = "none"
            await asyncio.sleep(self._rest)

    def _in_thread(self, act: Callable[[], None]) -> Fault:
        return lambda: asyncio.to_thread(act)

    def _hang(self, server: Server) -> Fault:
        async def hang() -> None:
            server.pause()
            await asyncio.sleep(self._chance.uniform(1, self._rest + 1))
            server.resume()

        return hang

    def _flush(self) -> None:
        with self._site.valkey.client() as client:
            client.flushall()

    def _crash(self, empty: bool) -> None:
        self._site.valkey.kill()
        self._site.valkey.restart(empty=empty)

    def _stop_sql(self) -> None:
        self._site.postgres.restart()

    def _crash_sql(self) -> None:
        self._site.postgres.kill()
        self._site.postgres.start()

    def _kill_worker(self) -> None:
        server = self._site.server
        wait_for(lambda: time.monotonic() > self._killed_at + _WORKER_RESTS, "a worker's rest", 60)
        pids = server.worker_pids()
        victim = self._chance.choice(pids)
        psutil.Process(victim).kill()
        wait_for(
            lambda: len(there := server.worker_pids()) >= 2 and victim not in there,
            "its successor",
            60,
        )
        self._killed_at = time.monotonic()

    def _kill_housekeeper(self) -> None:
        self._site.housekeeper.kill()
        self._site.housekeeper.start()
