"""A workstation: one session after the other, refreshed silently, by a client that may have luck
or not. It knows by itself whether it was thrown out.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.soak.wire import LOST, Answer, Wire

REFRESH, LOGIN = "/api/auth/refresh/", "/api/auth/login/"
ME = "/api/auth/me/"


@dataclass
class Ledger:
    """What all stations together have seen."""

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    """Who was thrown out and should have been in."""
    let_in: list[str] = field(default_factory=list)
    """Revoked or stolen tokens that were taken."""
    ended: dict[str, str] = field(default_factory=dict)
    """Sessions that were to end, and why."""


@dataclass
class Pace:
    """How often a station refreshes, and until when all of them work."""

    every: float
    ending: asyncio.Event

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the end of work."""
        try:
            await asyncio.wait_for(self.ending.wait(), seconds)
        except TimeoutError:
            return


class Station:
    """One browser at one place, from an address of its own."""

    def __init__(
        self, number: int, who: dict[str, str], wire: Wire, pace: Pace, ledger: Ledger, seed: int
    ) -> None:
        self.address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.pair: dict[str, Any] = {}
        self.generations = 0
        """Refreshes of the present session that were answered."""
        self.busy = asyncio.Lock()
        """Held while its session may change."""
        self._who = who
        self._wire, self._pace, self._ledger = wire, pace, ledger
        self._chance = random.Random(f"{seed}-{number}")

    @property
    def sid(self) -> str:
        return str(self.pair["session"]["id"])

    async def log_in(self) -> None:
        """Log in, as often as it takes."""
        while not self._pace.ending.is_set():
            answer = await self._wire.post(LOGIN, self.address, self._who)
            if answer.status == 200:
                self.pair, self.generations = answer.body, 0
                self._ledger.counts["logins"] += 1
                return
            assert answer.status in (LOST, 429, 503), (answer.status, answer.body)
            await self._pace.rest(self._chance.uniform(0.5, 2))

    async def work(self) -> None:
        """Ask and refresh until the end of work."""
        await self._pace.rest(self._chance.uniform(0, self._pace.every))
        while not self._pace.ending.is_set():
            async with self.busy:
                await self._ask()
                if not self._pace.ending.is_set():
                    await self._refresh()
            asleep = self._chance.random() < 0.03  # a laptop that is closed
            self._ledger.counts["laptops asleep"] += asleep
            times = self._chance.uniform(2, 3) if asleep else self._chance.uniform(0.7, 1.1)
            await self._pace.rest(times * self._pace.every)

    async def call(self) -> None:
        """Do something by the access token now."""
        async with self.busy:
            await self._ask()

    async def _ask(self) -> None:
        answer = await self._wire.ask("GET", ME, self.address, access=self.pair["access"])
        if answer.status == 401 and answer.reason != "expired":
            await self._thrown_out(answer)

    async def _refresh(self) -> None:
        """Refresh until it is answered: in one tab or two, with luck or without."""
        while not self._pace.ending.is_set():
            answer = await self._try_to_refresh()
            if answer.status == 200:
                self._ledger.counts["refreshes"] += 1
                self._ledger.counts["reissued"] += answer.body["reissued"]
                self.pair = answer.body
                self.generations += 1
                return
            if answer.status == 401:
                await self._thrown_out(answer)
                return
            self._ledger.counts["refreshes tried again"] += 1
            await self._pace.rest(self._chance.uniform(0.3, 1.5))

    async def _try_to_refresh(self) -> Answer:
        body, luck = {"refresh": self.pair["refresh"]}, self._chance.random()
        if luck < 0.05:
            self._ledger.counts["answers dropped"] += 1
            return await self._wire.post(REFRESH, self.address, body, loses=True)
        if luck < 0.10:
            self._ledger.counts["tabs at once"] += 1
            tabs = (self._wire.post(REFRESH, self.address, body) for _ in range(2))
            return min(await asyncio.gather(*tabs), key=lambda each: each.status != 200)
        return await self._wire.post(REFRESH, self.address, body)

    async def _thrown_out(self, answer: Answer) -> None:
        if self.sid not in self._ledger.ended:
            self._ledger.lost.append(f"{self.sid}: {answer.status} {answer.reason}")
            self._ledger.ended[self.sid] = "lost"
        await self.log_in()
