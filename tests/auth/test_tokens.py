"""Forged, mistyped and foreign tokens: one identical answer, and never an error of ours."""

import json
from collections.abc import Mapping
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient

from tests.auth.helpers import (
    CONSTANT,
    SQLITE,
    Door,
    Forger,
    assert_all_refused,
    claims_of,
    encoded,
    outside,
    signed,
)
from tests.auth_helper import Auth, bearer

pytestmark = SQLITE

WRONG: list[Any] = [
    "1", "", 1.5, True, None, [], {}, [1], -1, 0, 10**18, 1e18, "\x00", "ÿ", 2**63, -(2**70),
]  # fmt: skip
COMMON = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "type", "sid", "gen"]
OF_ACCESS = ["user_id", "user_type", "fresh", "auth_time", "amr"]


def test_the_forger_can_sign_what_is_accepted(forger: Forger, doors: list[Door]) -> None:
    for door in reversed(doors):
        assert door(forger.token()).status_code == 200


def test_a_token_without_a_signature_is_refused(forger: Forger, doors: list[Door]) -> None:
    tokens = {}
    for spelling in ("none", "None", "NONE", "nOnE", " none", "none\x00", ""):
        header = forger.header | {"alg": spelling}
        unsigned = f"{encoded(header)}.{encoded(forger.payload)}."
        tokens[f"{spelling} unsigned"] = unsigned
        tokens[f"{spelling} two segments"] = unsigned.rstrip(".")
        tokens[f"{spelling} signed"] = forger.headers(alg=spelling)
    assert_all_refused(tokens, doors)


def test_another_key_or_algorithm_is_refused(forger: Forger, doors: list[Door]) -> None:
    tokens = {
        "blank secret": forger.token(secret=""),
        "the kid as secret": forger.token(secret=forger.key.kid),
        "a guess": forger.token(secret="secret"),
        "HS384": forger.token(header=forger.header | {"alg": "HS384"}, digest="sha384"),
        "HS512": forger.token(header=forger.header | {"alg": "HS512"}, digest="sha512"),
        "HS512 named HS256": forger.token(digest="sha512"),
        "HS256 named RS256": forger.headers(alg="RS256"),
        "lower case": forger.headers(alg="hs256"),
    }
    for odd in (None, 1, True, [], ["HS256"], {"alg": "HS256"}):
        tokens[f"alg {odd!r}"] = forger.token(header=forger.header | {"alg": odd})
    header = {k: v for k, v in forger.header.items() if k != "alg"}
    assert_all_refused(tokens | {"no alg": forger.token(header=header)}, doors)


def test_an_asymmetric_signature_is_refused(forger: Forger, doors: list[Door]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own = {"kid": forger.key.kid, "typ": forger.header["typ"]}
    jwk = json.loads(pyjwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    tokens = {
        "RS256": pyjwt.encode(forger.payload, key, "RS256", headers=own),
        "RS256 with its key": pyjwt.encode(
            forger.payload, key, "RS256", headers=own | {"jwk": jwk}
        ),
        "public key as secret": forger.token(secret=public.decode()),
    }
    assert_all_refused(tokens, doors)


def test_only_a_known_kid_names_a_key(forger: Forger, doors: list[Door]) -> None:
    odd: list[Any] = [
        "unknown", "", "../../dev/null", "/dev/null", "' OR 1=1 --", forger.key.kid + "=",
        forger.key.kid.lower() + "x", 0, 1.5, True, [forger.key.kid], {"kid": forger.key.kid},
        "x" * 2000, "\x00", "é",
    ]  # fmt: skip
    tokens = {f"kid {kid!r}": forger.token(header=forger.header | {"kid": kid}) for kid in odd}
    tokens |= {"kid null": forger.token(header=forger.header | {"kid": None})}
    assert_all_refused(tokens | {"no kid": forger.headers(kid=None)}, doors)


def test_a_header_cannot_bring_its_own_key(forger: Forger, doors: list[Door]) -> None:
    jwk = {"kty": "oct", "k": encoded("x" * 32), "kid": forger.key.kid, "alg": "HS256"}
    own = {
        "jwk": jwk,
        "jku": "http://127.0.0.1:9/keys",
        "x5u": "http://127.0.0.1:9/cert",
        "x5c": ["MIIB"],
    }
    tokens = {
        name: forger.token(header=forger.header | {name: value}, secret="x" * 32)
        for name, value in own.items()
    }
    for critical in (["exp"], ["b64"], ["unknown"], [], "exp", None, 1):
        header = forger.header | {"crit": critical}
        tokens[f"crit {critical!r}"] = forger.token(header=header, secret="x" * 32)
    tokens["critical and unknown"] = forger.headers(crit=["unknown"], unknown=1)
    tokens["no base64"] = forger.headers(crit=["b64"], b64=False)
    assert_all_refused(tokens, doors)


def test_every_claim_is_demanded(forger: Forger, doors: list[Door], kind: str) -> None:
    demanded = COMMON + (OF_ACCESS if kind == "access" else [])
    assert_all_refused({f"without {name}": forger.without(name) for name in demanded}, doors)


@pytest.mark.parametrize("name", COMMON)
def test_a_claim_of_a_wrong_type_or_range_is_refused(
    name: str, forger: Forger, doors: list[Door]
) -> None:
    values = [value for value in WRONG if name != "sub" or value != forger.payload["sub"]]
    assert_all_refused(
        {f"{name}={value!r}": forger.claims(**{name: value}) for value in values}, doors
    )


@pytest.mark.parametrize("name", ["iat", "nbf", "exp", "gen"])
def test_a_number_in_other_clothes_is_refused(name: str, forger: Forger, doors: list[Door]) -> None:
    right = forger.payload[name]
    for dressed in (str(right), float(right), [right], {"value": right}, right + 0.5):
        assert_all_refused({f"{name}={dressed!r}": forger.claims(**{name: dressed})}, doors)


@pytest.mark.parametrize("kind", ["access"], indirect=True)
@pytest.mark.parametrize("name", [name for name in OF_ACCESS if name != "fresh"])
def test_an_access_token_s_own_claims_are_checked_too(
    name: str, forger: Forger, doors: list[Door]
) -> None:
    values = [value for value in WRONG if value != forger.payload[name] or value is True]
    assert_all_refused(
        {f"{name}={value!r}": forger.claims(**{name: value}) for value in values}, doors
    )


@pytest.mark.parametrize("kind", ["access"], indirect=True)
def test_fresh_is_a_boolean_and_the_user_one_and_the_same(
    forger: Forger, doors: list[Door]
) -> None:
    tokens = {
        f"fresh={value!r}": forger.claims(fresh=value) for value in WRONG if value is not True
    }
    tokens["another user_id"] = forger.claims(user_id=forger.payload["user_id"] + 1)
    tokens["another user type"] = forger.claims(user_type="root")
    assert_all_refused(tokens, doors)


def test_a_foreign_issuer_or_audience_is_refused(forger: Forger, doors: list[Door]) -> None:
    assert_all_refused(
        {
            "issuer": forger.claims(iss="https://elsewhere.example"),
            "issuer in another case": forger.claims(iss=forger.payload["iss"].upper()),
            "issuer list": forger.claims(iss=[forger.payload["iss"]]),
            "audience": forger.claims(aud="another-api"),
            "audience list": forger.claims(aud=[forger.payload["aud"]]),
            "audiences": forger.claims(aud=[forger.payload["aud"], "another-api"]),
        },
        doors,
    )


def test_the_kinds_of_token_do_not_stand_for_each_other(
    forger: Forger, doors: list[Door], pair: Mapping[str, str], kind: str
) -> None:
    other = {"access": "refresh", "refresh": "access"}[kind]
    typ = {"access": "rt+jwt", "refresh": "at+jwt"}[kind]
    tokens = {
        "type": forger.claims(type=other),
        "type list": forger.claims(type=[kind]),
        "type case": forger.claims(type=kind.upper()),
        "typ": forger.headers(typ=typ),
        "typ and type": forger.token(forger.header | {"typ": typ}, forger.payload | {"type": "id"}),
        "no typ": forger.headers(typ=None),
        "logout": forger.headers(typ="logout+jwt"),
        "typ case": forger.headers(typ=forger.header["typ"].upper()),
        "typ list": forger.headers(typ=[forger.header["typ"]]),
        "plain": forger.headers(typ="JWT"),
    }
    assert_all_refused(tokens, doors)
    assert_all_refused({"the other one of the pair": pair[other]}, doors[:1])


def test_times_that_do_not_fit_together_are_refused(
    forger: Forger, doors: list[Door], kind: str
) -> None:
    issued = forger.payload["iat"]
    too_long = 3600 if kind == "access" else 49 * 3600
    tokens = {
        "expires before it was issued": forger.claims(exp=issued - 1),
        "lives too long": forger.claims(exp=issued + too_long + 1),
        "issued in the future": forger.claims(iat=issued + 60, nbf=issued + 60),
        "not valid yet": forger.claims(nbf=issued + 60),
        "nbf is not iat": forger.claims(nbf=issued - 1),
        "the epoch": forger.claims(iat=0, nbf=0, exp=0),
    }
    assert_all_refused(tokens, doors)


def test_a_subject_or_id_that_cannot_be_ours_is_refused(forger: Forger, doors: list[Door]) -> None:
    sid = forger.payload["sid"]
    odd: list[tuple[str, Any]] = [
        ("sub", "0"), ("sub", "-1"), ("sub", "1 "), ("sub", "1\n"), ("sub", "٣"), ("sub", "1e3"),
        ("sub", "9" * 30), ("sub", 1), ("sid", sid + "A"), ("sid", sid[:-1]), ("sid", sid + "\n"),
        ("sid", "é" * 22), ("sid", "{" * 22), ("jti", "short"), ("jti", "x" * 65),
        ("jti", "a" * 16 + "\n"), ("jti", "ä" * 16), ("gen", 0), ("gen", 2**31), ("gen", -1),
    ]  # fmt: skip
    assert_all_refused(
        {f"{name}={value!r}": forger.claims(**{name: value}) for name, value in odd}, doors
    )


def test_a_stranger_s_tokens_never_end_a_session(
    auth: Auth, forger: Forger, pair: Mapping[str, str], kind: str
) -> None:
    forged = forger.token(secret="x" * 32)
    assert auth.logout(refresh=forged).status_code == 400
    assert auth.logout(access=forged).status_code == 400
    assert auth.me(pair["access"]).status_code == 200


def test_a_session_that_never_was_is_revoked(auth: Auth, app: Flask, pair: dict[str, str]) -> None:
    forger = Forger(app, pair["refresh"])
    unknown = auth.refresh(forger.claims(sid="A" * 22))
    assert (unknown.status_code, unknown.get_json()["reason"]) == (401, "revoked")
    foreign = auth.refresh(forger.claims(sub="77"))
    assert (foreign.status_code, foreign.get_json()["reason"]) == (401, "revoked")
    assert auth.refresh(pair["refresh"]).status_code == 200


def test_another_deployment_s_tokens_are_foreign(auth: Auth, pair: dict[str, str]) -> None:
    elsewhere = signed(
        {"alg": "HS256", "typ": "at+jwt", "kid": "elsewher"},
        claims_of(pair["access"]),
        "another secret of thirty-two bytes",
    )
    assert outside(auth.me(elsewhere))[:2] == (401, CONSTANT)


def test_every_route_refuses_alike(auth: Auth, client: FlaskClient) -> None:
    bad = bearer("garbage")
    no_body: Any = None
    answers = [
        outside(client.open(path, method=method, headers=bad, json=body))
        for method, path, body in [
            ("GET", "/api/auth/me/", no_body),
            ("GET", "/api/auth/sessions/", None),
            ("DELETE", f"/api/auth/sessions/{'A' * 22}/", None),
            ("POST", "/api/auth/logout-all/", None),
            ("POST", "/api/auth/password/", {}),
            ("GET", "/api/appointments/", None),
        ]
    ]
    assert all(answer[:2] == (401, CONSTANT) for answer in answers)
