"""The key ring: a `kid` names one key, and that key one algorithm."""

from pathlib import Path
from typing import Any

import pytest

from carelink_api.auth.keys import KeyRing, UnknownKey
from carelink_api.config import Settings

SECRET = "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x"


def ring(secret: str = SECRET) -> KeyRing:
    return KeyRing.from_settings(
        Settings.load(Path("nowhere"), env="development", jwt_secret_key=secret)
    )


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
