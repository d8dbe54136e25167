"""The key ring: a `kid` names one key, and that key one algorithm."""

import json
from pathlib import Path
from typing import Any

import pytest
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from carelink_api.auth.key_settings import key_ring
from carelink_api.auth.keys import Key, KeyRing, UnknownKey, pair_key, secret_key
from carelink_api.config import Settings
from tests.auth.pairs import ed25519_pair, rsa_pair

SECRET = "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x"
# The examples of RFC 7638 §3.1 and of RFC 8037 appendix A.3.
RFC_RSA = {
    "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
         "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2"
         "QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh"
         "6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
}  # fmt: skip
RFC_ED25519 = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


def ring(secret: str = SECRET) -> KeyRing:
    return key_ring(Settings.load(Path("nowhere"), env="development", jwt_secret_key=secret))


@pytest.fixture
def mixed() -> KeyRing:
    """EdDSA signs; an RSA key and a secret still verify."""
    return KeyRing(pair_key(ed25519_pair()), [pair_key(rsa_pair()), secret_key(SECRET)])


def test_the_signing_key_verifies_what_names_it() -> None:
    keys = ring()
    header = {"kid": keys.signing.kid, "alg": "HS256"}
    assert keys.verifying(header) is keys.signing
    assert keys.signing.verifying == SECRET


@pytest.mark.parametrize(
    "other",
    [{"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": None}, {"alg": ["HS256"]},
     {"kid": "other"}, {"kid": None}, {"kid": 1}, {"kid": []}, {"kid": {}}],
)  # fmt: skip
def test_a_header_that_names_another_key_or_algorithm_names_none(other: dict[str, Any]) -> None:
    keys = ring()
    with pytest.raises(UnknownKey):
        keys.verifying({"kid": keys.signing.kid, "alg": "HS256"} | other)


def test_another_secret_has_another_name_that_does_not_give_it_away() -> None:
    first, second = ring().signing, ring(SECRET[::-1]).signing
    assert first.kid == ring().signing.kid
    assert first.kid != second.kid
    assert len(first.kid) == 8
    assert first.kid not in SECRET


def test_a_ring_binds_each_of_its_keys_to_one_algorithm(mixed: KeyRing) -> None:
    assert [key.algorithm for key in mixed] == ["EdDSA", "RS256", "HS256"]
    for key in mixed:
        assert mixed.verifying({"kid": key.kid, "alg": key.algorithm}) is key
        for algorithm in {"EdDSA", "RS256", "HS256", "PS256", "RS512", "none"} - {key.algorithm}:
            with pytest.raises(UnknownKey):
                mixed.verifying({"kid": key.kid, "alg": algorithm})


def test_a_pair_is_named_by_the_thumbprint_of_its_public_half() -> None:
    assert pair_key(RSAAlgorithm.from_jwk(RFC_RSA)).kid == (
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )
    assert pair_key(OKPAlgorithm.from_jwk(RFC_ED25519)).kid == (
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    )


@pytest.mark.parametrize("pair", [ed25519_pair(), rsa_pair()], ids=["Ed25519", "RSA"])
def test_a_pair_and_its_public_half_alone_are_the_same_key(pair: Any) -> None:
    whole, half = pair_key(pair), pair_key(pair.public_key())
    assert (half.kid, half.algorithm, half.jwk) == (whole.kid, whole.algorithm, whole.jwk)
    assert whole.signing is pair
    assert half.signing is None


def test_what_cannot_sign_or_is_there_twice_makes_no_ring() -> None:
    half = pair_key(ed25519_pair().public_key())
    with pytest.raises(ValueError, match="private"):
        KeyRing(half)
    with pytest.raises(ValueError, match="twice"):
        KeyRing(pair_key(ed25519_pair()), [half])


def test_no_key_shows_in_what_is_printed(mixed: KeyRing) -> None:
    for key in mixed:
        assert SECRET not in repr(key)
        assert set(repr(key)) & set("\n<") == set()


def test_the_published_set_holds_public_members_only(mixed: KeyRing) -> None:
    keys = mixed.jwk_set()["keys"]
    assert [sorted(jwk) for jwk in keys] == [
        ["alg", "crv", "kid", "kty", "use", "x"],
        ["alg", "e", "kid", "kty", "n", "use"],
    ]
    assert [jwk["kid"] for jwk in keys] == [key.kid for key in mixed][:2]


def test_a_published_set_cannot_change_the_ring(mixed: KeyRing) -> None:
    before = json.dumps(mixed.jwk_set())
    mixed.jwk_set()["keys"][0]["kid"] = "another"
    assert json.dumps(mixed.jwk_set()) == before


@pytest.mark.parametrize(
    "secret", ["", "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----", "ssh-ed25519 AAAA",
               json.dumps(RFC_ED25519)],
)  # fmt: skip
def test_what_is_a_key_of_a_pair_or_nothing_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="is no secret"):
        secret_key(secret)


def test_a_key_never_changes() -> None:
    key: Key = secret_key(SECRET)
    with pytest.raises(AttributeError):
        key.algorithm = "RS256"  # type: ignore[misc]
