"""`GET /.well-known/jwks.json`: what other services verify with, and never a private member."""

from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from carelink_api.auth.keys import KeyRing, pair_key, secret_key
from tests.auth.helpers import SQLITE
from tests.auth.pairs import ed25519_pair, key_file, private_pem, rsa_pair
from tests.auth_helper import Auth
from tests.conftest import MakeApp

pytestmark = SQLITE
PATH = "/.well-known/jwks.json"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
SECRET = "q8Xw2-nR5tB7yK1mC4vZ6jH9sL3pF0dG"


@pytest.fixture
def asymmetric(make_app: MakeApp, tmp_path: Path) -> Flask:
    """Ed25519 signs; a private RSA key and two secrets still verify."""
    return make_app(
        jwt_algorithm="EdDSA",
        jwt_signing_key=key_file(tmp_path / "ed.pem", private_pem(ed25519_pair())),
        jwt_verifying_keys=[key_file(tmp_path / "rsa.pem", private_pem(rsa_pair()))],
        jwt_verifying_secrets=[SECRET, SECRET[::-1]],
    )


def test_it_is_a_jwk_set_that_may_be_cached(client: FlaskClient) -> None:
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert client.head(PATH).status_code == 200


def test_a_secret_is_never_in_it(client: FlaskClient) -> None:
    assert client.get(PATH).get_json(force=True) == {"keys": []}


def test_no_private_member_is_ever_in_it(asymmetric: Flask) -> None:
    answer = asymmetric.test_client().get(PATH)
    keys = answer.get_json(force=True)["keys"]
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [
        ("OKP", "EdDSA", "sig"),
        ("RSA", "RS256", "sig"),
    ]
    for key in keys:
        assert set(key) & PRIVATE == set()
    values = {value for key in keys for value in key.values()}
    for pair, algorithm in ((ed25519_pair(), "EdDSA"), (rsa_pair(), "RS256")):
        jwk = pyjwt.get_algorithm_by_name(algorithm).to_jwk(pair, as_dict=True)
        assert values & {jwk[name] for name in PRIVATE & set(jwk)} == set()
    assert SECRET not in answer.text


def test_another_service_verifies_our_tokens_with_it(asymmetric: Flask) -> None:
    auth = Auth(asymmetric)
    auth.create_user()
    token = auth.tokens()["access"]
    published = asymmetric.test_client().get(PATH).get_json(force=True)
    key = pyjwt.PyJWKSet.from_dict(published)[pyjwt.get_unverified_header(token)["kid"]]
    claims = pyjwt.decode(token, key, audience="carelink-api", issuer="carelink")
    assert claims["type"] == "access"


def test_it_follows_the_ring(app: Flask, client: FlaskClient) -> None:
    service = app.extensions["carelink.tokens"]
    service.replace_ring(KeyRing(secret_key(SECRET), [pair_key(ed25519_pair(1).public_key())]))
    (key,) = client.get(PATH).get_json(force=True)["keys"]
    assert key["kid"] == pair_key(ed25519_pair(1)).kid


@pytest.mark.parametrize("path", [PATH + "/", "/.well-known/", "/.well-known/jwks", "/jwks.json"])
def test_it_is_a_file_and_has_no_slash(path: str, client: FlaskClient) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read(method: str, client: FlaskClient) -> None:
    answer = client.open(PATH, method=method)
    assert answer.status_code == 405
    assert answer.mimetype == "application/problem+json"


def test_the_document_describes_it(client: FlaskClient, asymmetric: Flask) -> None:
    document: dict[str, Any] = client.get("/api/openapi.json").get_json()
    operation = document["paths"][PATH]["get"]
    assert "security" not in operation
    assert list(operation["responses"]["200"]["content"]) == ["application/jwk-set+json"]
    shape = document["components"]["schemas"]["JwkShape"]
    answer = asymmetric.test_client().get(PATH).get_json(force=True)
    for key in answer["keys"]:
        assert set(key) <= set(shape["properties"])
        assert set(shape["required"]) <= set(key)
    assert set(shape["properties"]) & PRIVATE == set()
