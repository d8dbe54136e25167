"""Lifetimes: which profile, when a session ends, how long its tokens live."""

from datetime import UTC, datetime, timedelta

import pytest

from carelink_api.accounts.models import UserType
from carelink_api.session_profiles import SessionProfiles
from carelink_api.sessions.lifetimes import (
    AccessExpiry,
    access_expiry,
    idle_deadline,
    is_stricter,
    profile_for,
    session_end,
)

NOW = datetime(2030, 5, 1, 7, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PROFILES = SessionProfiles()

BY_TYPE_AND_UNIT = {
    ("patient", None): "standard",
    ("doctor", None): "standard",
    ("nurse", None): "standard",
    ("ops", None): "standard",
    ("researcher", None): "extended",
    ("admin", None): "extended",
    ("nurse", "standard"): "standard",
    ("nurse", "high_security"): "high_security",
    ("nurse", "extended"): "standard",
    ("researcher", "standard"): "standard",
    ("researcher", "high_security"): "high_security",
    ("researcher", "extended"): "extended",
    ("admin", "standard"): "standard",
    ("admin", "high_security"): "high_security",
    ("admin", "extended"): "extended",
}


@pytest.mark.parametrize(("called_for", "profile"), BY_TYPE_AND_UNIT.items())
def test_the_strictest_profile_that_type_and_unit_call_for_applies(
    called_for: tuple[str, str | None], profile: str
) -> None:
    assert profile_for(*called_for) == profile


def test_of_several_units_the_strictest_applies() -> None:
    assert profile_for("nurse", "extended", "high_security", None) == "high_security"


def test_every_user_type_has_a_profile() -> None:
    assert {user_type for user_type, _ in BY_TYPE_AND_UNIT if _ is None} == set(UserType)


def test_profiles_are_ordered_by_strictness() -> None:
    order = ["high_security", "standard", "extended"]
    stricter = {(a, b) for a in order for b in order if is_stricter(a, b)}
    assert stricter == {(order[0], order[1]), (order[0], order[2]), (order[1], order[2])}


@pytest.mark.parametrize(
    ("name", "access", "absolute", "idle"),
    [
        ("standard", 15 * MINUTE, 12 * HOUR, None),
        ("high_security", 5 * MINUTE, 8 * HOUR, 15 * MINUTE),
        ("extended", 30 * MINUTE, 24 * HOUR, HOUR),
    ],
)
def test_profiles_have_the_documented_lifetimes(
    name: str, access: timedelta, absolute: timedelta, idle: timedelta | None
) -> None:
    profile = PROFILES[name]
    assert (profile.access, profile.absolute, profile.idle) == (access, absolute, idle)


def test_session_ends_after_its_absolute_lifetime() -> None:
    assert session_end(NOW, 12 * HOUR, None) == NOW + 12 * HOUR


@pytest.mark.parametrize(("shift", "end"), [(8, 8), (12, 12), (13, 12)])
def test_session_ends_with_the_shift_where_that_comes_first(shift: int, end: int) -> None:
    assert session_end(NOW, 12 * HOUR, NOW + shift * HOUR) == NOW + end * HOUR


def test_idle_deadline_lies_a_minute_behind_the_idle_timeout() -> None:
    assert idle_deadline(NOW, 15 * MINUTE) == NOW + 16 * MINUTE


def test_there_is_no_idle_deadline_where_idle_is_off() -> None:
    assert idle_deadline(NOW, PROFILES["standard"].idle) is None


@pytest.mark.parametrize(
    ("session_ends", "idle_at", "expiry"),
    [
        (12 * HOUR, None, AccessExpiry(NOW + 15 * MINUTE, capped_by_idle=False)),
        (3 * MINUTE, None, AccessExpiry(NOW + 3 * MINUTE, capped_by_idle=False)),
        (12 * HOUR, 16 * MINUTE, AccessExpiry(NOW + 15 * MINUTE, capped_by_idle=False)),
        (12 * HOUR, 15 * MINUTE, AccessExpiry(NOW + 15 * MINUTE, capped_by_idle=False)),
        (12 * HOUR, 4 * MINUTE, AccessExpiry(NOW + 4 * MINUTE, capped_by_idle=True)),
        (3 * MINUTE, 4 * MINUTE, AccessExpiry(NOW + 3 * MINUTE, capped_by_idle=False)),
        (5 * MINUTE, 4 * MINUTE, AccessExpiry(NOW + 4 * MINUTE, capped_by_idle=True)),
    ],
)
def test_no_access_token_outlives_session_or_idle_deadline(
    session_ends: timedelta, idle_at: timedelta | None, expiry: AccessExpiry
) -> None:
    deadline = None if idle_at is None else NOW + idle_at
    assert access_expiry(NOW, 15 * MINUTE, NOW + session_ends, deadline) == expiry


def test_a_standard_session_refreshes_48_to_52_times_and_then_is_over() -> None:
    profile = PROFILES["standard"]
    end = session_end(NOW, profile.absolute, None)
    refreshes, expires = 0, access_expiry(NOW, profile.access, end, None).at
    while expires < end:
        moment = expires - MINUTE
        expires = access_expiry(moment, profile.access, end, None).at
        refreshes += 1
    assert 48 <= refreshes <= 52
    assert expires == end
