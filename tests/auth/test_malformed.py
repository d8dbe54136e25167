"""What is no token, no header and no credential at all: a clear refusal, never a 5xx."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.auth.helpers import SQLITE, Door, Forger, assert_all_refused, encoded
from tests.auth_helper import Auth
from tests.fuzz import bounds

pytestmark = SQLITE

bounded = bounds.bounded(200)


def me_with(client: FlaskClient, header: str) -> TestResponse:
    """Send an Authorization header as its bytes stand on the wire (PEP 3333: latin-1)."""
    return client.get("/api/auth/me/", environ_overrides={"HTTP_AUTHORIZATION": header})


def test_what_is_no_token_at_all_is_refused(forger: Forger, doors: list[Door]) -> None:
    good = forger.token()
    head, body, signature = good.split(".")
    tokens = {
        "a word": "garbage",
        "dots": "..",
        "one more segment": good + ".x",
        "another signature": f"{head}.{body}.{'A' * len(signature)}",
        "no signature": f"{head}.{body}.",
        "another body": f"{head}.{encoded(forger.payload | {'gen': 2})}.{signature}",
        "9 KB": good[:-1] + "A" * 4000,
        "no JSON": forger.token(payload="hello"),
        "a list": forger.token(payload=[1]),
        "a number": forger.token(payload=5),
        "null": forger.token(payload="null"),
        "header list": forger.token(header=[forger.header]),
        "header text": forger.token(header='"x"'),
        "bytes": forger.token(payload=b"\xff\xfe\x00"),
        "huge number": forger.token(payload='{"exp":' + "9" * 2500 + "}"),
        "deep header": forger.token(header="[" * 1400 + "]" * 1400),
        "deep payload": forger.token(payload='{"a":' * 500 + "1" + "}" * 500),
        "NaN": forger.token(payload=json.dumps(forger.payload)[:-1] + ', "exp": NaN}'),
        "Infinity": forger.token(payload=json.dumps(forger.payload)[:-1] + ', "exp": Infinity}'),
        "five segments": f"{head}.{body}.{signature}.{body}.{signature}",
    }
    assert_all_refused(tokens, doors)


@pytest.mark.parametrize("kind", ["refresh"], indirect=True)
def test_characters_that_no_token_holds_are_refused(forger: Forger, doors: list[Door]) -> None:
    good = forger.token()
    tokens = {repr(odd): good + odd for odd in ("é", " ", "\n", "\t", "​", "%00", ";", "٣")}
    tokens |= {f"{odd!r} in front": odd + good for odd in (" ", "Bearer ", "\ufeff")}
    assert_all_refused(tokens, doors)


@pytest.mark.parametrize("padding", ["=", "==", "===", "A", "."])
def test_a_respelled_signature_does_not_outlive_the_revocation(
    padding: str, auth: Auth, pair: Mapping[str, str]
) -> None:
    respelled = pair["access"] + padding
    assert auth.me(respelled).status_code in (200, 401)
    auth.logout(pair["refresh"])
    assert auth.me(respelled).status_code == 401
    assert auth.refresh(pair["refresh"] + padding).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(
    scheme: str, client: FlaskClient, pair: Mapping[str, str]
) -> None:
    assert me_with(client, f"{scheme} {pair['access']}").status_code == 200
    assert me_with(client, f"{scheme}   {pair['access']} ").status_code == 200


@pytest.mark.parametrize(
    "header", ["Basic bmF1Z2h0eQ==", "Digest x", "Bearer", "Bearer ", "bearer  ", "", " ", "Token"]
)
def test_no_bearer_credential_is_a_bare_challenge(
    header: str, client: FlaskClient, pair: Mapping[str, str]
) -> None:
    response = me_with(client, header)
    assert response.status_code == 401
    assert response.get_json()["code"] == "not_authenticated"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="carelink"'


@pytest.mark.parametrize(
    "header", ["Bearer {0} {0}", "Bearer {0}, Bearer {0}", "Bearer {0},{0}", "Basic x, Bearer {0}"]
)
def test_two_credentials_are_an_invalid_request(
    header: str, client: FlaskClient, pair: Mapping[str, str]
) -> None:
    response = me_with(client, header.format(pair["access"]))
    assert response.status_code == 400
    assert response.get_json()["code"] == "invalid_request"
    assert 'error="invalid_request"' in response.headers["WWW-Authenticate"]


@bounded
@given(header=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=300))
@example(header="Bearer \x00")
@example(header="Bearer " + "\xff" * 50)
@example(header="Bearer eyJ.eyJ.eyJ")
@example(header="Bearer ....")
def test_no_header_value_is_an_error_of_ours(header: str, client: FlaskClient) -> None:
    for value in (header, f"Bearer {header}"):
        assert me_with(client, value).status_code in (400, 401)


@bounded
@given(segments=st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_no_three_segments_are_an_error_of_ours(segments: list[bytes], auth: Auth) -> None:
    token = ".".join(encoded(segment) for segment in segments)
    assert auth.me(token).status_code == 401
    assert auth.verify(token or "x").status_code == 401
    assert auth.logout(access=token).status_code in (400, 401)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
names = st.sampled_from(
    ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "type", "sid", "gen", "user_id", "user_type",
     "fresh", "auth_time", "amr", "alg", "kid", "typ", "crit", "b64", "x"]
)  # fmt: skip


@pytest.mark.parametrize("kind", ["access"], indirect=True)
@bounded
@given(
    header=st.dictionaries(names, json_values, max_size=3),
    payload=st.dictionaries(names, json_values),
)
def test_no_validly_signed_claims_are_an_error_of_ours(
    header: dict[str, Any], payload: dict[str, Any], auth: Auth, forger: Forger
) -> None:
    def encodable(value: Any) -> bytes:
        return json.dumps(value).encode("utf-8", "surrogatepass")

    token = forger.token(encodable(forger.header | header), encodable(forger.payload | payload))
    assert auth.me(token).status_code in (200, 401)
    assert auth.refresh(token).status_code == 401
