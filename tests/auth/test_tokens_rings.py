"""Tokens over a change of keys: nobody is logged out, and what has left verifies nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from flask import Flask

from carelink_api.auth.keys import Key, KeyRing, pair_key, secret_key
from carelink_api.auth.tokens import TokenService
from tests.auth.helpers import CONSTANT, SQLITE, claims_of, outside, refreshed
from tests.auth.pairs import ed25519_pair, key_file, private_pem, public_pem, rsa_pair
from tests.auth_helper import Auth
from tests.conftest import TEST_SETTINGS, MakeApp

pytestmark = SQLITE
SECRET: str = TEST_SETTINGS["jwt_secret_key"]
NEWER = "q8Xw2-nR5tB7yK1mC4vZ6jH9sL3pF0dG"
OLD = secret_key(SECRET)
EDDSA, RS256 = pair_key(ed25519_pair()), pair_key(rsa_pair())


def service_of(app: Flask) -> TokenService:
    service: TokenService = app.extensions["carelink.tokens"]
    return service


def header_of(token: str) -> dict[str, Any]:
    return pyjwt.get_unverified_header(token)


def works(auth: Auth, pair: Mapping[str, str]) -> bool:
    """Say whether both tokens are good at every door; refreshing comes last."""
    return all(
        response.status_code == 200
        for response in (
            auth.me(pair["access"]),
            auth.verify(pair["access"]),
            auth.verify(pair["refresh"]),
            auth.refresh(pair["refresh"]),
        )
    )


def foreign(auth: Auth, pair: Mapping[str, str]) -> bool:
    """Say whether both tokens get the one constant answer at every door."""
    answers = [
        outside(response)[:2]
        for response in (
            auth.me(pair["access"]),
            auth.verify(pair["access"]),
            auth.verify(pair["refresh"]),
            auth.refresh(pair["refresh"]),
        )
    ]
    return answers == [(401, CONSTANT)] * 4 and auth.logout(pair["refresh"]).status_code == 400


@pytest.fixture
def eddsa(tmp_path: Path) -> dict[str, Any]:
    """Settings with which an Ed25519 key signs."""
    path = key_file(tmp_path / "ed.pem", private_pem(ed25519_pair()))
    return {"jwt_algorithm": "EdDSA", "jwt_signing_key": path}


@pytest.fixture
def eddsa_public(tmp_path: Path) -> str:
    return key_file(tmp_path / "ed.pub.pem", public_pem(ed25519_pair()), 0o644)


@pytest.mark.parametrize("key", [OLD, EDDSA, RS256], ids=lambda key: key.algorithm)
def test_a_session_lives_its_life_with_every_algorithm(key: Key, app: Flask, auth: Auth) -> None:
    service_of(app).replace_ring(KeyRing(key))
    auth.create_user()
    pair = auth.tokens()
    for kind in ("access", "refresh"):
        header = header_of(pair[kind])
        assert (header["alg"], header["kid"]) == (key.algorithm, key.kid)
        assert set(header) == {"alg", "kid", "typ"}
    assert works(auth, pair)
    second = refreshed(auth.refresh(pair["refresh"]))
    assert auth.logout(second["refresh"]).status_code == 200
    assert auth.me(second["access"]).status_code == 401


def test_moving_from_a_secret_to_a_key_pair_logs_nobody_out(
    make_app: MakeApp, eddsa: dict[str, Any], eddsa_public: str
) -> None:
    """The steps of the operator, each on one server after the other, as a deployment goes."""
    step_0 = Auth(make_app())
    step_0.create_user()
    old = step_0.tokens()
    step_1 = Auth(make_app(jwt_verifying_keys=[eddsa_public]))  # everybody learns the new key
    assert works(step_1, old)
    step_2 = Auth(make_app(**eddsa, jwt_verifying_secrets=[SECRET]))  # it signs, here already
    assert works(step_2, old)
    new = refreshed(step_2.refresh(old["refresh"]))
    assert header_of(new["refresh"])["alg"] == "EdDSA"
    assert works(step_1, new)
    step_3 = Auth(make_app(**eddsa))  # the longest session since is over
    assert foreign(step_3, old)
    assert works(step_3, new)


def test_a_secret_is_changed_without_a_log_out(make_app: MakeApp) -> None:
    step_0 = Auth(make_app(jwt_verifying_secrets=[NEWER]))
    step_0.create_user()
    old = step_0.tokens()
    step_1 = Auth(make_app(jwt_secret_key=NEWER, jwt_verifying_secrets=[SECRET]))
    assert works(step_1, old)
    new = step_1.tokens()
    assert header_of(new["access"])["kid"] != header_of(old["access"])["kid"]
    assert works(step_0, new)
    step_2 = Auth(make_app(jwt_secret_key=NEWER))
    assert foreign(step_2, old)
    assert works(step_2, new)


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_token_of_a_key_that_has_left_is_refused_at_once(
    seen_before: bool, app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    if seen_before:
        assert auth.me(pair["access"]).status_code == 200
    service_of(app).replace_ring(KeyRing(EDDSA, [OLD]))
    assert auth.me(pair["access"]).status_code == 200
    service_of(app).replace_ring(KeyRing(EDDSA))
    assert foreign(auth, pair)


def test_a_token_verified_while_its_key_leaves_is_not_remembered(
    app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    service = service_of(app)

    class Leaving(KeyRing):
        def verifying(self, header: Mapping[str, Any]) -> Key:
            service.replace_ring(KeyRing(EDDSA))  # between finding the key and remembering
            return super().verifying(header)

    service.replace_ring(Leaving(EDDSA, [OLD]))
    auth.me(pair["access"])
    assert foreign(auth, pair)


def test_a_key_that_comes_back_is_good_again(
    app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    service_of(app).replace_ring(KeyRing(EDDSA))
    assert auth.me(pair["access"]).status_code == 401
    service_of(app).replace_ring(KeyRing(EDDSA, [OLD]))
    assert works(auth, pair)


def test_a_reissue_after_a_change_of_keys_is_the_same_token_in_other_bytes(
    app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    successor = refreshed(auth.refresh(pair["refresh"]))
    service_of(app).replace_ring(KeyRing(EDDSA, [OLD]))
    again = refreshed(auth.refresh(pair["refresh"]))
    assert again["reissued"] is True
    assert again["refresh"] != successor["refresh"]
    assert claims_of(again["refresh"]) == claims_of(successor["refresh"])
    assert header_of(again["refresh"])["kid"] == EDDSA.kid
    for spelling in (successor, again):  # one token, whichever bytes the client kept
        assert refreshed(auth.refresh(spelling["refresh"]))["reissued"] is (spelling is again)
    assert works(auth, again)


def test_both_tokens_of_a_pair_name_the_key_that_has_signed_them(
    app: Flask, auth: Auth, pair: Mapping[str, str]
) -> None:
    service = service_of(app)

    class Slipping(KeyRing):
        """Replaced by another ring as soon as somebody asks which key signs."""

        ask: Callable[[], None] | None = None

        def __getattribute__(self, name: str) -> Any:
            if name == "signing" and self.ask is not None:
                self.ask()
            return super().__getattribute__(name)

    slipping = Slipping(EDDSA, [OLD])
    slipping.ask = lambda: service.replace_ring(KeyRing(RS256, [EDDSA, OLD]))
    service.replace_ring(slipping)
    answer = refreshed(auth.refresh(pair["refresh"]))
    assert [header_of(answer[kind])["kid"] for kind in ("access", "refresh")] == [EDDSA.kid] * 2
    assert works(auth, answer)
