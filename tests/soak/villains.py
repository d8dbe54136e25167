"""Those who end sessions: a storm of revocations, and thieves; and ghosts, who come back."""

import asyncio
import random
import time
from typing import Any

from tests.e2e.clients import PROMISED_SECONDS
from tests.soak.station import ME, REFRESH, Ledger, Pace, Station
from tests.soak.wire import Wire

_HAUNTS_SECONDS = 4.0
_PATIENCE_SECONDS = 120.0


class Villains:
    """What befalls single sessions, and must show."""

    def __init__(
        self,
        stations: list[Station],
        wire: Wire,
        pace: Pace,
        ledger: Ledger,
        chance: random.Random,
        grace: float,
    ) -> None:
        self._stations, self._wire, self._pace = stations, wire, pace
        self._ledger, self._chance, self._grace = ledger, chance, grace
        self._haunting: set[asyncio.Task[None]] = set()

    async def storm(self) -> None:
        """End one session in a hundred, all at once."""
        count = max(2, len(self._stations) // 100)
        await asyncio.gather(*map(self._end, self._chance.sample(self._stations, count)))

    async def _end(self, station: Station) -> None:
        async with station.busy:
            pair, sid = station.pair, station.sid
            if sid in self._ledger.ended:
                return
            self._ledger.ended[sid] = "logged_out"
            body = {"refresh": pair["refresh"]}
            while True:
                answer = await self._wire.post("/api/auth/logout/", station.address, body)
                if answer.status in (200, 202):
                    break
                await asyncio.sleep(0.3)
            self._haunt(pair, time.monotonic())
            self._ledger.counts["sessions revoked"] += 1
            await station.log_in()

    def _haunt(self, pair: dict[str, Any], answered_at: float) -> None:
        task = asyncio.create_task(self._come_back(pair, answered_at))
        self._haunting.add(task)
        task.add_done_callback(self._haunting.discard)

    async def _come_back(self, pair: dict[str, Any], answered_at: float) -> None:
        """Show the tokens of a revoked session again and again, from another address."""
        address = "192.0.2.9"
        while time.monotonic() < answered_at + _HAUNTS_SECONDS:
            asked = [
                await self._wire.ask("GET", ME, address, access=pair["access"]),
                await self._wire.post(REFRESH, address, {"refresh": pair["refresh"]}),
            ]
            self._ledger.counts["revoked tokens shown"] += 2
            for answer in asked:
                late = answer.sent_at - answered_at
                if answer.status == 200 and late > PROMISED_SECONDS:
                    self._ledger.let_in.append(f"{pair['session']['id']}: {late:.2f} s after")
            await asyncio.sleep(self._chance.uniform(0.1, 0.4))

    async def thieve(self) -> None:
        """Steal again and again, some at once, until the end of work."""
        stealing = []
        while not self._pace.ending.is_set():
            stealing.append(asyncio.create_task(self._steal()))
            await self._pace.rest(self._pace.every / 4)
        await asyncio.gather(*stealing)

    async def _steal(self) -> None:
        """Copy a refresh token, wait until its owner has gone on, and show it."""
        station = self._chance.choice(self._stations)
        async with station.busy:
            pair, sid, copied_at = station.pair, station.sid, station.generations
        until = time.monotonic() + _PATIENCE_SECONDS
        while station.generations < copied_at + 2:
            if time.monotonic() > until or self._pace.ending.is_set() or station.sid != sid:
                return
            await asyncio.sleep(0.1)
        await asyncio.sleep(self._grace + 1)
        async with station.busy:
            if station.sid != sid or sid in self._ledger.ended or self._pace.ending.is_set():
                return
            self._ledger.ended[sid] = "reused"
            await self._show(pair)

    async def _show(self, pair: dict[str, Any]) -> None:
        body = {"refresh": pair["refresh"]}
        while True:
            answer = await self._wire.post(REFRESH, "192.0.2.66", body)
            if answer.status in (200, 401):
                break
            await asyncio.sleep(0.3)
        if answer.status == 200:
            self._ledger.let_in.append(f"{pair['session']['id']}: a stolen token")
        else:
            self._ledger.counts["stolen tokens caught"] += 1

    async def rest_in_peace(self) -> None:
        """Wait until the last ghost has gone."""
        await asyncio.gather(*self._haunting)
