"""The token parser: what was minted is read back, and nothing else is ever a token."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import assume, example, given
from hypothesis import strategies as st

from carelink_api.accounts.models import UserType
from carelink_api.auth.tokens import TokenService
from carelink_api.errors import InvalidRequest, TokenNotValid
from carelink_api.sessions.claims import AccessClaims, RefreshClaims
from carelink_api.sessions.grants import Grant, new_jti, new_sid
from carelink_api.sessions.guard import bearer_token
from carelink_api.sessions.lifetimes import AccessExpiry
from carelink_api.sessions.rows import SessionFacts, UserFacts
from tests.auth.helpers import SQLITE, Forger, encoded
from tests.auth_helper import Auth
from tests.fuzz.bounds import bounded

pytestmark = SQLITE
START = datetime(2020, 1, 1, tzinfo=UTC)
COMMON = ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "type", "sid", "gen")
DEMANDED = {
    "access": (*COMMON, "user_id", "user_type", "fresh", "auth_time", "amr"),
    "refresh": COMMON,
}

seconds = st.integers(0, 5 * 365 * 86400).map(lambda after: START + timedelta(seconds=after))
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=120)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    """Any grant that the core could hand over to be signed."""
    started = draw(seconds)
    issued = started + timedelta(seconds=draw(st.integers(0, 12 * 3600)))
    ends = started + timedelta(hours=24)
    expires = min(ends, issued + timedelta(seconds=draw(st.integers(0, 3600))))
    user_id = draw(st.integers(1, 10**18 - 1))
    user_type = draw(st.sampled_from([str(user_type) for user_type in UserType]))
    session = SessionFacts(
        new_sid(),
        draw(st.sampled_from(["standard", "extended"])),
        started,
        ends,
        0,
        None,
        None,
        draw(st.booleans()),
    )
    return Grant(
        user=UserFacts(user_id, draw(texts), draw(texts), user_type, draw(st.none() | texts)),
        session=session,
        generation=draw(st.integers(1, 2**31 - 2)),
        issued_at=issued,
        access_jti=new_jti(),
        access_expires=AccessExpiry(expires, draw(st.booleans())),
        refresh_jti=new_jti(),
        refresh_issued_at=draw(st.sampled_from([started, issued])),
        fresh=draw(st.booleans()),
    )


@pytest.fixture
def tokens(app: Flask) -> Iterator[TokenService]:
    with app.app_context():
        service: TokenService = app.extensions["carelink.tokens"]
        yield service


@bounded(150)
@given(grant=grants())
def test_what_is_minted_is_read_back(grant: Grant, tokens: TokenService) -> None:
    pair = tokens.mint(grant)
    common = {
        "user_id": grant.user.id,
        "sid": grant.session.id,
        "generation": grant.generation,
    }
    access = tokens.read_access(pair.access)
    assert asdict(access) == common | {
        "jti": grant.access_jti,
        "expires_at": int(grant.access_expires.at.timestamp()),
        "user_type": grant.user.user_type,
        "fresh": grant.fresh,
        "auth_time": int(grant.session.started_at.timestamp()),
    }
    refresh = tokens.read_refresh(pair.refresh)
    assert asdict(refresh) == common | {
        "jti": grant.refresh_jti,
        "expires_at": int(grant.session.expires_at.timestamp()),
    }
    assert_no_token(tokens.read_refresh, pair.access)
    assert_no_token(tokens.read_access, pair.refresh)


def read(tokens: TokenService, kind: str, token: str) -> AccessClaims | RefreshClaims:
    return tokens.verify_access(token) if kind == "access" else tokens.read_refresh(token)


def assert_no_token(reader: Any, token: str) -> None:
    """The refusal says nothing: what is no token of ours gets no reason."""
    with pytest.raises(TokenNotValid) as caught:
        reader(token)
    assert caught.value.members == {}


@bounded(250)
@given(data=st.data())
def test_one_changed_character_is_one_too_many(
    data: st.DataObject, tokens: TokenService, forger: Forger, kind: str, pair: dict[str, Any]
) -> None:
    token = pair[kind]
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=255) | st.sampled_from("AZaz09-_.="))
    change = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    changed = (
        token[:at] + ("" if change == "delete" else other) + token[at + (change != "insert") :]
    )
    # The last character of a signature has bits that base64 does not use: the same signature.
    assume(at < len(token) - 1 and changed != token)
    assert_no_token(lambda text: read(tokens, kind, text), changed)


def _wrapped(value: Any) -> list[Any]:
    """Return the value in other shapes, none of which is the value itself."""
    shapes: list[Any] = [None, [value], {"value": value}, [], {}, "", -1, 1.5, True, False]
    if isinstance(value, bool):
        shapes += [int(value), str(value).lower()]
    elif isinstance(value, int):
        shapes += [float(value), str(value), -value, value + 2**40]
    elif isinstance(value, str):
        shapes += [value + " ", " " + value, value + "\0", value + "é"]
    return [shape for shape in shapes if (type(shape), shape) != (type(value), value)]


@bounded(200)
@given(data=st.data())
def test_a_claim_in_another_shape_is_refused_though_the_key_is_right(
    data: st.DataObject, tokens: TokenService, forger: Forger, kind: str
) -> None:
    assert read(tokens, kind, forger.token())
    name = data.draw(st.sampled_from(DEMANDED[kind]))
    shape = data.draw(st.sampled_from(_wrapped(forger.payload[name])))
    assume(not (name == "fresh" and isinstance(shape, bool)))  # either may be so
    assert_no_token(lambda text: read(tokens, kind, text), forger.claims(**{name: shape}))
    assert_no_token(lambda text: read(tokens, kind, text), forger.without(name))


@bounded(60)
@given(data=st.data())
def test_a_header_in_another_shape_is_refused_though_the_key_is_right(
    data: st.DataObject, tokens: TokenService, forger: Forger, kind: str
) -> None:
    name = data.draw(st.sampled_from(["alg", "typ", "kid"]))
    shape = data.draw(st.sampled_from(_wrapped(forger.header[name])))
    changed = {key: value for key, value in forger.header.items() if key != name}
    for header in (changed, changed | {name: shape}):
        assert_no_token(lambda text: read(tokens, kind, text), forger.token(header=header))


rubbish = (
    st.text(max_size=300)
    | st.lists(st.binary(max_size=80).map(encoded), max_size=5).map(".".join)
    | st.text("eyJhbGciOiJIUzI1NiJ9.-_=", max_size=300)
    | st.integers(8_100, 8_300).map("a.b.".ljust)
)


@bounded(300)
@given(text=rubbish)
@example(text="\ud800.\udfff.x")
@example(text="٣.٣.٣")
def test_any_other_text_is_no_token(text: str, tokens: TokenService) -> None:
    for reader in (tokens.verify_access, tokens.verify_refresh, tokens.read_refresh):
        assert_no_token(reader, text)


@bounded(300)
@given(header=st.text(st.characters(max_codepoint=255), max_size=200))
@example(header="Bearer\ta")
@example(header="Bearer \xa0\xa0")
@example(header="bEARER  \x85x")
def test_a_header_holds_one_credential_none_or_too_many(header: str, app: Flask) -> None:
    for value in (header, f"Bearer {header}"):
        with app.test_request_context(environ_overrides={"HTTP_AUTHORIZATION": value}):
            try:
                found = bearer_token()
            except InvalidRequest:
                assert "," in value or " " in value.partition(" ")[2].strip()
                continue
        assert found is None or (found and found in value and not set(found) & {" ", ","})


@bounded(100)
@given(
    scheme=st.lists(st.booleans(), min_size=6, max_size=6),
    spaces=st.tuples(st.integers(1, 5), st.integers(0, 5)),
)
def test_scheme_and_spaces_do_not_change_who_one_is(
    scheme: list[bool], spaces: tuple[int, int], auth: Auth, pair: dict[str, Any]
) -> None:
    word = "".join(
        letter.upper() if up else letter for letter, up in zip("bearer", scheme, strict=True)
    )
    header = word + " " * spaces[0] + pair["access"] + " " * spaces[1]
    assert auth.me(headers={"Authorization": header}).status_code == 200
