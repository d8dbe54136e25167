"""argon2id: one hash at a time, and never a clue about who has an account."""

import threading
import unicodedata

import argon2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carelink_api.accounts.passwords import PasswordHasher
from carelink_api.config import Settings
from carelink_api.errors import Throttled

WEAK = Settings(env="development", password_hash_memory_kib=64, password_hash_iterations=1)
DEFAULT = Settings(env="development")


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher(WEAK)


def test_the_right_password_verifies_and_another_does_not(hasher: PasswordHasher) -> None:
    stored = hasher.hash("correct horse battery staple")
    assert hasher.verify(stored, "correct horse battery staple")
    assert not hasher.verify(stored, "correct horse battery stapl")


def test_hashes_are_argon2id_with_the_settings_parameters_and_a_salt_each() -> None:
    hasher = PasswordHasher(DEFAULT)
    one, two = hasher.hash("same"), hasher.hash("same")
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != two


def test_composed_and_decomposed_forms_log_in_alike(hasher: PasswordHasher) -> None:
    word = "Ångström für die Nachtschicht"
    stored = hasher.hash(unicodedata.normalize("NFD", word))
    assert hasher.verify(stored, unicodedata.normalize("NFC", word))


def test_case_spaces_and_every_character_count(hasher: PasswordHasher) -> None:
    long = "every character of a long password counts, " * 20
    stored = hasher.hash(long + "a")
    for other in (long + "b", long.upper() + "A", (long + "a").strip() + " ", long):
        assert not hasher.verify(stored, other)


def test_no_account_never_verifies_not_even_its_dummy(hasher: PasswordHasher) -> None:
    assert not hasher.verify(None, "")
    assert not hasher.verify(None, "correct horse battery staple")


def test_an_unknown_user_costs_one_hash_with_the_same_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[str] = []
    real = argon2.PasswordHasher.verify

    def watched(self: argon2.PasswordHasher, hash: str, password: bytes) -> bool:
        verified.append(hash)
        return real(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    hasher = PasswordHasher(WEAK)
    hasher.verify(hasher.hash("known"), "wrong")
    hasher.verify(None, "wrong")
    known, unknown = verified
    assert argon2.extract_parameters(known) == argon2.extract_parameters(unknown)


@pytest.mark.parametrize(
    "stored",
    ["", "plain", "$argon2id$", "$argon2id$v=19$m=64,t=1,p=1$AAAA$", "$2b$12$abc", "é", "\0", "!!"],
)
def test_a_corrupt_hash_is_refused_and_logged_not_raised(
    hasher: PasswordHasher, stored: str
) -> None:
    with capture_logs() as logged:
        assert hasher.verify(stored, "anything") is False
    assert logged == [{"event": "password_hash_corrupt", "log_level": "error"}]
    assert hasher.needs_rehash(stored)


def test_what_unicode_cannot_encode_does_not_match_and_does_not_raise(
    hasher: PasswordHasher,
) -> None:
    assert not hasher.verify(hasher.hash("anything"), "\ud800")
    assert not hasher.verify(None, "\udfff")


def test_a_hash_with_other_parameters_needs_a_rehash(hasher: PasswordHasher) -> None:
    stronger = Settings(env="development", password_hash_memory_kib=128, password_hash_iterations=1)
    stored = hasher.hash("anything")
    assert not hasher.needs_rehash(stored)
    assert PasswordHasher(stronger).needs_rehash(stored)
    assert PasswordHasher(stronger).verify(stored, "anything")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=80))
def test_whatever_was_hashed_verifies(hasher: PasswordHasher, password: str) -> None:
    assert hasher.verify(hasher.hash(password), password)


class Held:
    """An argon2 that stops inside each hash until it is let go, and counts who is in."""

    def __init__(self) -> None:
        self.go, self.entered = threading.Event(), threading.Semaphore(0)
        self.inside = self.most = 0

    def hash(self, _password: bytes) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.go.wait(10)
        self.inside -= 1
        return "done"


def _waiting(hasher: PasswordHasher, count: int) -> list[threading.Thread]:
    """Start `count` threads that hash; return when one is in and all others stand in line."""
    threads = [threading.Thread(target=hasher.hash, args=("x",)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_one_hash_runs_at_a_time_and_the_line_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hasher, held = PasswordHasher(WEAK, max_waiting=2), Held()
    monkeypatch.setattr(hasher, "_argon2", held)
    threads = _waiting(hasher, 3)
    try:
        assert held.entered.acquire(timeout=60)
        while hasher._places._value:  # until all three have their place
            threading.Event().wait(0.001)
        with pytest.raises(Throttled) as refused:
            hasher.verify(None, "x")
        assert refused.value.headers["Retry-After"] == "1"
    finally:
        held.go.set()
        for thread in threads:
            thread.join(10)
    assert held.most == 1
    assert hasher.hash("x") == "done"  # every place was given back


def test_a_failing_hash_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def hash(self, _password: bytes) -> str:
            raise argon2.exceptions.HashingError("no memory")

    hasher = PasswordHasher(WEAK, max_waiting=0)
    real = hasher._argon2
    monkeypatch.setattr(hasher, "_argon2", Failing())
    with pytest.raises(argon2.exceptions.HashingError):
        hasher.hash("x")
    monkeypatch.setattr(hasher, "_argon2", real)
    assert hasher.verify(hasher.hash("x"), "x")
