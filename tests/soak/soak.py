"""One soak: everybody logs in, works while things go wrong, and is held against the database."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.soak.faults import Faults
from tests.soak.site import STATIONS_AN_ACCOUNT, Site
from tests.soak.station import Ledger, Pace, Station
from tests.soak.villains import Villains
from tests.soak.wire import LOST, Seen, Wire

_SAMPLE_SECONDS = 5.0
_WARM = 0.25
"""Memory is compared from when a quarter of the time has passed."""


@dataclass(frozen=True)
class Dose:
    """How much of it."""

    stations: int = 2000
    seconds: float = 600.0
    every: float = 40.0
    """Seconds between two refreshes of a station."""
    grace: int = 10
    rest: float = 4.0
    """Seconds after a fault, and as many again before the next."""
    seed: int = 1
    faults: tuple[str, ...] = ()
    """Only those whose name holds one of these; none for all."""


@dataclass
class Outcome:
    """What has come of it; the first four lists and sets must be empty."""

    lost: list[str]
    let_in: list[str]
    false_alarms: set[str]
    unexpected_ends: dict[str, str]
    uncaught: set[str]
    whole: bool
    """The audit trail verifies."""
    errors: list[str]
    """What the workers' logs say of server errors."""
    counts: Counter[str]
    statuses: dict[str, Counter[int]]
    slowest: dict[str, float]
    times: dict[str, int]
    memory: list[dict[str, float]] = field(default_factory=list)

    @property
    def server_errors(self) -> int:
        """Answers of 500 and above that are no honest 503."""
        return sum(n for seen in self.statuses.values() for s, n in seen.items()
                   if s >= 500 and s != 503)  # fmt: skip

    def table(self) -> str:
        lines = ["| fault | times | 200 | 503 | other 5xx | broken off | slowest 200 |",
                 "|---|---|---|---|---|---|---|"]  # fmt: skip
        for name in sorted(self.statuses):
            seen = self.statuses[name]
            other = sum(n for status, n in seen.items() if status >= 500 and status != 503)
            lines.append(
                f"| {name} | {self.times.get(name, '–')} | {seen[200]:,} | {seen[503]:,} | {other}"
                f" | {seen[LOST]:,} | {self.slowest.get(name, 0):.1f} s |"
            )
        return "\n".join(lines)

    def growth(self) -> str:
        warm = self.memory[int(len(self.memory) * _WARM) :] or self.memory
        told = (f"{who} {warm[0][who]:.0f} → {warm[-1][who]:.0f} MB" for who in warm[0])
        return ", ".join(told)

    def __str__(self) -> str:
        counted = ", ".join(f"{n:,} {what}" for what, n in sorted(self.counts.items()))
        return "\n".join([
            self.table(), "", counted + ".", "",
            f"Lost sessions: {len(self.lost)} {self.lost[:5]}",
            f"Ended otherwise than expected: {len(self.unexpected_ends)}"
            f" {list(self.unexpected_ends.items())[:5]}",
            f"Revoked or stolen tokens let in after a second: {len(self.let_in)} {self.let_in[:5]}",
            f"False reuse alarms: {len(self.false_alarms)}",
            f"Thefts without an alarm: {len(self.uncaught)}",
            f"Other 5xx: {self.server_errors}",
            *self.errors[:5],
            f"Audit trail whole: {self.whole}",
            f"Memory: {self.growth()}",
        ])  # fmt: skip


async def soak(site: Site, dose: Dose) -> Outcome:
    """Let everybody work for so long; return what has come of it."""
    seen, ledger = Seen(), Ledger()
    chance = random.Random(dose.seed)
    pace = Pace(dose.every, asyncio.Event())
    wire = Wire(site.server.port, seen)
    accounts = await asyncio.to_thread(site.accounts, -(-dose.stations // STATIONS_AN_ACCOUNT))
    stations = [
        Station(number, accounts[number // STATIONS_AN_ACCOUNT], wire, pace, ledger, dose.seed)
        for number in range(dose.stations)
    ]
    began_at = time.monotonic()
    await asyncio.gather(*(station.log_in() for station in stations))
    print(f"  {len(stations)} logged in after {time.monotonic() - began_at:.0f} s", flush=True)
    seen.statuses.clear()
    seen.slowest.clear()
    villains = Villains(stations, wire, pace, ledger, chance, dose.grace)
    faults = Faults(site, villains, seen, chance, dose.rest)
    names = [name for name in faults.all if any(part in name for part in dose.faults)]
    memory: list[dict[str, float]] = []
    sampling = asyncio.create_task(_sample(site, memory))
    working = [asyncio.create_task(each) for each in
               [villains.thieve(), *(station.work() for station in stations)]]  # fmt: skip
    await faults.run(time.monotonic() + dose.seconds, names)
    pace.ending.set()
    await asyncio.gather(*working)
    await villains.rest_in_peace()
    sampling.cancel()
    return await asyncio.to_thread(_judge, site, ledger, seen, faults, memory)


async def _sample(site: Site, memory: list[dict[str, float]]) -> None:
    while True:
        memory.append(await asyncio.to_thread(site.memory))
        await asyncio.sleep(_SAMPLE_SECONDS)


def _judge(
    site: Site, ledger: Ledger, seen: Seen, faults: Faults, memory: list[dict[str, float]]
) -> Outcome:
    ended, alarms = site.ended(), site.alarms()
    stolen = {sid for sid, why in ledger.ended.items() if why == "reused"}
    unexpected = {
        sid: reason
        for sid, reason in ended.items()
        if ledger.ended.get(sid) not in (reason, "lost")
    }
    return Outcome(
        ledger.lost, ledger.let_in, alarms - stolen, unexpected, stolen - alarms,
        site.verify_trail() == 0, site.errors(), ledger.counts, seen.statuses, seen.slowest,
        faults.times, memory,
    )  # fmt: skip
