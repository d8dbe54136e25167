"""Attacks on the ring: algorithms confused, keys lent, keys brought along, names misused."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from flask import Flask

from carelink_api.auth.keys import Key, KeyRing, pair_key, secret_key
from tests.auth.helpers import SQLITE, Door, assert_all_refused, claims_of, encoded
from tests.auth.pairs import ed25519_pair, private_pem, public_pem, rsa_pair, signed_by
from tests.auth_helper import Auth

pytestmark = SQLITE
SECRET = "q8Xw2-nR5tB7yK1mC4vZ6jH9sL3pF0dG"
EDDSA, RS256, HS256 = pair_key(ed25519_pair()), pair_key(rsa_pair()), secret_key(SECRET)
RETIRED = [pair_key(ed25519_pair(1)), pair_key(rsa_pair(3072)), secret_key(SECRET[::-1])]
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's group (RFC 8032 §5.1)."""


class Forgery:
    """A good token's claims, to be signed by any key under any header."""

    def __init__(self, token: str) -> None:
        self.header = pyjwt.get_unverified_header(token)
        self.payload = claims_of(token)

    def by(self, key: Key | str | bytes, algorithm: str = "", **header: Any) -> str:
        """Sign by a key under its own name, less what `header` changes."""
        own: dict[str, Any] = {"typ": self.header["typ"]}
        signing: Any = key
        if isinstance(key, Key):
            signing = key.signing
            own |= {"kid": key.kid, "alg": key.algorithm}
        return signed_by(signing, algorithm or own.get("alg", ""), own | header, self.payload)

    def in_bytes(self, header: str, payload: str, key: Key = EDDSA) -> str:
        """Sign header and payload that no dictionary can hold."""
        assert key.signing is not None
        return signed_by(key.signing, key.algorithm, header, payload)


@pytest.fixture
def pair(app: Flask, auth: Auth) -> dict[str, Any]:
    """A pair by the Ed25519 key of a ring in which an RSA key and a secret verify, too."""
    app.extensions["carelink.tokens"].replace_ring(KeyRing(EDDSA, [RS256, HS256]))
    auth.create_user()
    return auth.tokens()


@pytest.fixture
def forgery(pair: Mapping[str, str], kind: str) -> Forgery:
    return Forgery(pair[kind])


def public_spellings(key: Key) -> dict[str, bytes]:
    """Return every spelling of a public key that a verifier could take for a secret."""
    pem = public_pem(key.verifying)
    der = key.verifying.public_bytes(  # type: ignore[union-attr]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    spellings = {
        "PEM": pem.encode(),
        "PEM without its last line end": pem.strip().encode(),
        "DER": der,
        "JWK": json.dumps(key.jwk).encode(),
        "its name": key.kid.encode(),
    }
    if key.algorithm == "EdDSA":
        spellings["raw"] = key.verifying.public_bytes(  # type: ignore[union-attr]
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
    return spellings


def test_every_key_of_the_ring_can_sign_what_is_accepted(
    forgery: Forgery, doors: list[Door]
) -> None:
    for key in (EDDSA, RS256, HS256):
        for door in reversed(doors):
            assert door(forgery.by(key)).status_code == 200, key


def test_a_public_key_is_never_a_secret(forgery: Forgery, doors: list[Door]) -> None:
    tokens = {}
    for key in (EDDSA, RS256):
        for name, secret in public_spellings(key).items():
            for kid in (EDDSA.kid, RS256.kid, HS256.kid):
                tokens[f"{key.algorithm} {name} {kid}"] = forgery.by(secret, alg="HS256", kid=kid)
    assert_all_refused(tokens, doors)


def test_a_key_signs_under_its_own_name_only(forgery: Forgery, doors: list[Door]) -> None:
    keys = (EDDSA, RS256, HS256)
    tokens = {
        f"{key.algorithm} as {named.algorithm}": forgery.by(key, kid=named.kid, **algorithm)
        for key in keys
        for named in keys
        if key is not named
        for algorithm in ({}, {"alg": named.algorithm})
    }
    assert_all_refused(tokens, doors)


def test_no_other_algorithm_of_a_key_s_family_is_accepted(
    forgery: Forgery, doors: list[Door]
) -> None:
    tokens = {
        algorithm: forgery.by(RS256, algorithm, alg=algorithm)
        for algorithm in ("RS384", "RS512", "PS256", "PS384", "PS512")
    }
    tokens |= {f"RS256 named {name}": forgery.by(RS256, alg=name) for name in tokens}
    for name in ("none", "None", "", "EdDSA ", "eddsa", "Ed25519", "HS512", None, 1, [], ["EdDSA"]):
        tokens[f"EdDSA named {name!r}"] = forgery.by(EDDSA, alg=name)
    assert_all_refused(tokens, doors)


def test_nothing_goes_unsigned_under_any_name(forgery: Forgery, doors: list[Door]) -> None:
    tokens = {}
    for key in (EDDSA, RS256, HS256):
        for algorithm in ("none", key.algorithm):
            header = forgery.header | {"kid": key.kid, "alg": algorithm}
            content = f"{encoded(header)}.{encoded(forgery.payload)}"
            tokens[f"{key.algorithm} {algorithm}"] = f"{content}."
            tokens[f"{key.algorithm} {algorithm} zeros"] = f"{content}.{encoded(bytes(64))}"
    assert_all_refused(tokens, doors)


def test_another_s_key_under_our_name_is_refused(forgery: Forgery, doors: list[Door]) -> None:
    ours = {"EdDSA": EDDSA.kid, "RS256": RS256.kid, "HS256": HS256.kid}
    tokens = {
        f"{key.algorithm} {name}": forgery.by(key, kid=name)
        for key in RETIRED
        for name in (ours[key.algorithm], key.kid, "", "unknown")
    }
    assert_all_refused(tokens, doors)


def test_a_name_is_a_name_and_no_path_list_or_query(forgery: Forgery, doors: list[Door]) -> None:
    odd: list[Any] = [
        None, 0, True, [EDDSA.kid], {"kid": EDDSA.kid}, "", "/dev/null", "../../dev/null",
        "file:///dev/null", "' OR 1=1 --", EDDSA.kid + "\x00", EDDSA.kid + "=", EDDSA.kid[:-1],
        EDDSA.kid.swapcase(), f" {EDDSA.kid}", "http://127.0.0.1:9/keys",
    ]  # fmt: skip
    tokens = {f"kid {kid!r}": forgery.by(EDDSA, kid=kid) for kid in odd}
    tokens |= {f"empty secret {kid!r}": forgery.by(b"", alg="HS256", kid=kid) for kid in odd}
    assert_all_refused(tokens, doors)


def test_a_header_brings_nothing_along_even_with_a_good_signature(
    forgery: Forgery, doors: list[Door]
) -> None:
    brought: dict[str, Any] = {
        "jwk": RETIRED[0].jwk,
        "jku": "http://127.0.0.1:9/keys",
        "x5u": "http://127.0.0.1:9/certificate",
        "x5c": ["MIIB"],
        "x5t": "AAAA",
        "zip": "DEF",
        "cty": "JWT",
        "b64": True,
        "crit": [],
    }
    tokens = {}
    for name, value in brought.items():
        tokens[f"{name}, ours"] = forgery.by(EDDSA, **{name: value})
        tokens[f"{name}, its own"] = forgery.by(RETIRED[0], kid=EDDSA.kid, **{name: value})
    for critical in (["exp"], ["b64"], ["kid"], "exp", None, 1, {}):
        tokens[f"crit {critical!r}"] = forgery.by(EDDSA, crit=critical)
    tokens["crit and what it names"] = forgery.by(EDDSA, crit=["http://x"], **{"http://x": 1})
    tokens["unencoded"] = forgery.by(EDDSA, crit=["b64"], b64=False)
    assert_all_refused(tokens, doors)


def test_a_member_that_stands_twice_is_refused(forgery: Forgery, doors: list[Door]) -> None:
    header = json.dumps(forgery.header)
    payload = json.dumps(forgery.payload)
    tokens = {
        f"header {name} {where}": forgery.in_bytes(text, payload)
        for name, value in forgery.header.items()
        for where, text in _twice(header, name, value).items()
    }
    tokens |= {
        f"payload {name} {where}": forgery.in_bytes(header, text)
        for name in ("sid", "exp", "type", "sub", "gen")
        for where, text in _twice(payload, name, forgery.payload[name]).items()
    }
    tokens["within"] = forgery.in_bytes(header, payload[:-1] + ', "x": {"a": 1, "a": 2}}')
    assert_all_refused(tokens, doors)


def test_a_signature_has_one_spelling_and_one_length(forgery: Forgery, doors: list[Door]) -> None:
    good = forgery.by(EDDSA)
    content, _, signature = good.rpartition(".")
    raw = pyjwt.utils.base64url_decode(signature)
    scalar = int.from_bytes(raw[32:], "little")
    spelt = {
        "the same plus the order": raw[:32] + (scalar + ORDER).to_bytes(32, "little"),
        "longer": raw + b"\0",
        "shorter": raw[:-1],
        "half": raw[:32],
        "empty": b"",
        "of another key": hashlib.sha512(raw).digest(),
        "of RSA's length": bytes(256),
    }
    tokens = {name: f"{content}.{encoded(value)}" for name, value in spelt.items()}
    rsa_content, _, rsa_signature = forgery.by(RS256).rpartition(".")
    raw = pyjwt.utils.base64url_decode(rsa_signature)
    for name, value in {"longer": raw + b"\0", "shorter": raw[:-1], "zero": bytes(256)}.items():
        tokens[f"RSA, {name}"] = f"{rsa_content}.{encoded(value)}"
    assert_all_refused(tokens, doors)


def test_a_token_of_another_claim_under_a_good_signature_is_refused(
    forgery: Forgery, doors: list[Door]
) -> None:
    tokens = {}
    for key in (EDDSA, RS256, HS256):
        head, _, signature = forgery.by(key).split(".")
        tokens[key.algorithm] = f"{head}.{encoded(forgery.payload | {'gen': 2})}.{signature}"
    assert_all_refused(tokens, doors)


def test_a_private_key_s_text_signs_nothing(forgery: Forgery, doors: list[Door]) -> None:
    pem = private_pem(ed25519_pair())
    tokens = {kid: forgery.by(pem, alg="HS256", kid=kid) for kid in (EDDSA.kid, HS256.kid)}
    assert_all_refused(tokens, doors)


def test_forgeries_end_no_session(auth: Auth, forgery: Forgery, pair: Mapping[str, str]) -> None:
    for forged in (forgery.by(RETIRED[0], kid=EDDSA.kid), forgery.by(EDDSA, jwk=EDDSA.jwk)):
        assert auth.logout(refresh=forged).status_code == 400
        assert auth.logout(access=forged).status_code == 400
    assert auth.me(pair["access"]).status_code == 200


def _twice(text: str, name: str, value: Any) -> dict[str, str]:
    """Return an object's text with one member twice: once as it is, once something else."""
    return {
        "first": f"{{{json.dumps(name)}: null, {text[1:]}",
        "last": f"{text[:-1]}, {json.dumps(name)}: {json.dumps(value)}}}",
    }
