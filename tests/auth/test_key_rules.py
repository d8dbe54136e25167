"""When a key may sign, when it may go, and how it is sealed."""

from datetime import UTC, datetime, timedelta

import pytest

from carelink_api.auth.key_rules import KeyState, may_go_from, may_sign_from, state_of
from carelink_api.auth.key_seal import KeySeal, NotSealedHere
from carelink_api.auth.keys import Key, pair_key, secret_key
from tests.auth.pairs import ed25519_pair, rsa_pair

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
SECRET, OTHER = "q8Xw2-nR5tB7yK1mC4vZ6jH9sL3pF0dG", "Pw4Tz9-kS2vN7xM5bJ1hG8fD6cR3qL0y"
KEYS = [
    pair_key(ed25519_pair()),
    pair_key(rsa_pair()),
    pair_key(ed25519_pair(1).public_key()),
    secret_key(SECRET[::-1]),
]


@pytest.mark.parametrize(
    ("dates", "state"),
    [
        ((None, None, None), KeyState.LISTED),
        ((NOW, None, None), KeyState.SIGNING),
        ((NOW, NOW, None), KeyState.VERIFYING),
        ((NOW, NOW, NOW), KeyState.GONE),
        ((None, None, NOW), KeyState.GONE),
    ],
)
def test_the_dates_of_a_key_say_what_it_does(
    dates: tuple[datetime | None, datetime | None, datetime | None], state: KeyState
) -> None:
    assert state_of(*dates) is state


def test_a_published_key_waits_for_every_cache_and_a_secret_for_the_workers_alone() -> None:
    assert may_sign_from(NOW, published=True) == NOW + timedelta(seconds=301)
    assert may_sign_from(NOW, published=False) == NOW + timedelta(seconds=1)


def test_a_key_may_go_when_the_longest_session_from_its_last_second_is_over() -> None:
    longest, leeway = timedelta(hours=24), timedelta(seconds=10)
    free_at = may_go_from(NOW, longest=longest, leeway=leeway)
    assert free_at == NOW + longest + leeway + timedelta(seconds=1)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.algorithm}-{bool(key.signing)}")
def test_a_sealed_key_comes_back_as_it_was(key: Key) -> None:
    seal = KeySeal([SECRET])
    back = seal.open(key.kid, key.algorithm, seal.seal(key))
    assert (back.kid, back.algorithm, back.jwk) == (key.kid, key.algorithm, key.jwk)
    assert (back.signing is None) is (key.signing is None)


def test_the_same_key_is_sealed_differently_each_time_and_never_stands_in_it() -> None:
    seal, key = KeySeal([SECRET]), KEYS[-1]
    first, second = seal.seal(key), seal.seal(key)
    assert first != second
    assert SECRET[::-1].encode() not in first + second
    assert SECRET not in repr(seal)


@pytest.mark.parametrize(
    "change",
    [
        lambda kid, alg, sealed: ("another", alg, sealed),
        lambda kid, alg, sealed: (kid, "RS256", sealed),
        lambda kid, alg, sealed: (kid, alg, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        lambda kid, alg, sealed: (kid, alg, bytes(12) + sealed[12:]),
        lambda kid, alg, sealed: (kid, alg, sealed[:20]),
        lambda kid, alg, sealed: (kid, alg, b""),
    ],
    ids=["kid", "algorithm", "tag", "nonce", "cut", "empty"],
)
def test_what_was_changed_or_swapped_does_not_open(change: object) -> None:
    seal, key = KeySeal([SECRET]), KEYS[0]
    with pytest.raises(NotSealedHere):
        seal.open(*change(key.kid, key.algorithm, seal.seal(key)))  # type: ignore[operator]


def test_a_former_secret_opens_and_only_the_present_one_seals() -> None:
    key = KEYS[0]
    sealed = KeySeal([SECRET]).seal(key)
    changed = KeySeal([OTHER, SECRET])
    assert changed.open(key.kid, key.algorithm, sealed).kid == key.kid
    with pytest.raises(NotSealedHere):
        KeySeal([OTHER]).open(key.kid, key.algorithm, sealed)
    anew = changed.seal(key)
    assert KeySeal([OTHER]).open(key.kid, key.algorithm, anew).kid == key.kid
    with pytest.raises(NotSealedHere):
        KeySeal([SECRET]).open(key.kid, key.algorithm, anew)
