"""How long an account waits after failures in a row."""

from datetime import UTC, datetime, timedelta

import pytest

from carelink_api.accounts.login_delay import FOR_GOOD, NEVER, STEPS, delayed_until, login_delay

NOW = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("failures", range(10))
def test_nine_failures_cost_nothing(failures: int) -> None:
    assert login_delay(failures) is None


def test_from_the_tenth_on_the_delay_doubles_up_to_an_hour() -> None:
    seconds = [(login_delay(n) or timedelta()).total_seconds() for n in range(10, 19)]
    assert seconds == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.parametrize("failures", [18, 50, 99])
def test_an_hour_is_the_longest_wait_up_to_the_99th(failures: int) -> None:
    assert login_delay(failures) == timedelta(hours=1)


@pytest.mark.parametrize("failures", [100, 101, 2**31 - 1])
def test_the_hundredth_failure_blocks_for_good(failures: int) -> None:
    assert login_delay(failures) == FOR_GOOD
    assert delayed_until(failures, NOW) == NEVER


def test_the_delay_counts_from_the_failure() -> None:
    assert delayed_until(9, NOW) is None
    assert delayed_until(11, NOW) == NOW + timedelta(minutes=1)


def test_between_two_steps_the_delay_stays_the_same() -> None:
    for n in range(1, 120):
        step = max((s for s in STEPS if s <= n), default=0)
        assert login_delay(n) == login_delay(step)


def test_guessing_all_99_passwords_takes_days() -> None:
    total = sum((login_delay(n) or timedelta() for n in range(1, 100)), timedelta())
    assert total > timedelta(days=3)
