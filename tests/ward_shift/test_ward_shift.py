"""Twelve hours of 30 nurses, 10 doctors and their patients, and everything that befalls them."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from carelink_api import clock
from tests.conftest import MakeApp, Travel
from tests.ward_shift.day import Day
from tests.ward_shift.hospital import build
from tests.ward_shift.ledger import Ledger
from tests.ward_shift.redundant_redis import RedundantRedis, redundant_redis


@pytest.fixture
def redis() -> Iterator[RedundantRedis]:
    with redundant_redis() as running:
        yield running


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_nobody_is_thrown_out_nothing_is_lost_and_every_access_is_explained(
    make_app: MakeApp, redis: RedundantRedis, travel: Travel
) -> None:
    begun_at = time.perf_counter()
    apps = [make_app(redis_url=redis.url, ratelimit_enabled=True) for _ in range(2)]
    ledger = Ledger()
    starts_at = (clock.now() + timedelta(minutes=25)).replace(microsecond=0)
    workers, hospital = build(apps, ledger, starts_at)

    day = Day(workers, hospital, ledger, redis, travel)
    day.run()
    report(ledger, time.perf_counter() - begun_at)

    assert ledger.lost == []
    ledger.assert_nothing_is_lost(workers.engine)
    ledger.assert_the_trail_explains_every_access(workers.engine)
    ledger.assert_every_event_is_well_formed(workers.engine)
    ledger.assert_sessions_ended_as_told(workers.engine)
    ledger.assert_the_trail_counts_the_sessions(workers.engine)
    # Once each; not who lost a session on the way or went early, but the doctors of the ICU, too.
    assert ledger.counts["logins in place"] == len(hospital.on_duty) - 3 + 2
    assert ledger.statuses.keys() <= {200, 201, 401, 403, 503}


def report(ledger: Ledger, seconds: float) -> None:
    """Print the figures; `pytest -rP` shows them."""
    print(f"{sum(ledger.statuses.values()):,} requests in {seconds:.0f} s of real time:")
    for status, count in sorted(ledger.statuses.items()):
        print(f"  {count:6,} × {status}")
    for what, count in sorted(ledger.counts.items()):
        print(f"  {count:6,} {what}")
    print(f"  {len(ledger.signs):6,} vital signs, {len(ledger.notes)} notes")
    print(f"  {len(ledger.asked):6,} accesses of patient data, one audit event each")
    print(f"  {len(ledger.ended):6,} sessions over; lost: {len(ledger.lost)}")
