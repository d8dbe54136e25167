"""When a token holds: leeway, expiry, and the cache of verified tokens that must not stretch it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from carelink_api.auth.tokens import CACHED_TOKENS
from carelink_api.bounded import BoundedCache
from tests.auth.helpers import CONSTANT, SQLITE, Forger, claims_of, outside, refused_with
from tests.auth_helper import Auth
from tests.conftest import Travel

pytestmark = SQLITE


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize("seen_before", [True, False])
def test_an_access_token_expires_when_its_leeway_is_over(
    seen_before: bool, auth: Auth, pair: Mapping[str, str], travel: Travel
) -> None:
    expires = claims_of(pair["access"])["exp"]
    if seen_before:
        assert auth.me(pair["access"]).status_code == 200
    travel.to(at(expires + 8))
    assert auth.me(pair["access"]).status_code == 200
    travel.to(at(expires + 11))
    assert refused_with(auth.me(pair["access"]), "expired")
    assert refused_with(auth.verify(pair["access"]), "expired")


@pytest.mark.settings(jwt_decode_leeway=0)
def test_without_leeway_it_expires_to_the_second(
    auth: Auth, pair: Mapping[str, str], travel: Travel
) -> None:
    travel.to(at(claims_of(pair["access"])["exp"]))
    assert refused_with(auth.me(pair["access"]), "expired")


@pytest.mark.parametrize(("ahead", "status"), [(5, 200), (60, 401)])
def test_a_clock_ahead_is_forgiven_within_the_leeway(
    ahead: int, status: int, app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    forger = Forger(app, pair["access"])
    issued = forger.payload["iat"] + ahead
    response = auth.me(forger.claims(iat=issued, nbf=issued))
    assert response.status_code == status
    if status == 401:
        assert outside(response)[1] == CONSTANT


def test_an_expired_token_of_an_ended_session_is_just_expired(
    auth: Auth, pair: Mapping[str, str], travel: Travel
) -> None:
    auth.logout(pair["refresh"])
    travel(911)
    assert refused_with(auth.me(pair["access"]), "expired")


def test_a_forged_expired_token_is_told_nothing(
    app: Flask, auth: Auth, pair: Mapping[str, str], travel: Travel
) -> None:
    forged = Forger(app, pair["access"]).token(secret="x" * 32)
    travel(2000)
    assert outside(auth.me(forged))[:2] == (401, CONSTANT)


def test_a_token_that_was_verified_before_is_refused_once_revoked(
    auth: Auth, pair: Mapping[str, str]
) -> None:
    for _ in range(3):
        assert auth.me(pair["access"]).status_code == 200
    auth.logout(pair["refresh"])
    assert refused_with(auth.me(pair["access"]), "revoked")


def test_a_refused_token_is_not_remembered_as_good(
    app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    forged = Forger(app, pair["access"]).token(secret="x" * 32)
    assert [auth.me(forged).status_code for _ in range(3)] == [401] * 3


def test_the_memory_for_verified_tokens_is_bounded(app: Flask, pair: Mapping[str, str]) -> None:
    tokens = app.extensions["carelink.tokens"]
    forger = Forger(app, pair["access"])
    cache: BoundedCache[str, Any] = tokens._trust.verified
    with app.app_context():
        for number in range(CACHED_TOKENS + 200):
            tokens.verify_access(forger.claims(jti=f"{number:016}"))
    assert len(cache) <= CACHED_TOKENS
