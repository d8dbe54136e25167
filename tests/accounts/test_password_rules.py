"""What a new password must be (NIST SP 800-63B-4 §3.1.1.2, ASVS 6.2)."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carelink_api.accounts.password_rules import (
    ABOUT_YOU,
    COMMON,
    MAX_LENGTH,
    MIN_LENGTH,
    NOT_TEXT,
    PATTERN,
    REPEATED,
    TOO_LONG,
    TOO_SHORT,
    normalised,
    password_faults,
)

ANNA = ["anna.berg@ward7.example", "Anna Berg", "Intensive Care"]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "nurse anna likes green tea",
        "the property of others",
        "kein schöner Land in dieser Zeit",
        "我想喝一杯热的绿茶再去上夜班好吗",
        "🐢🦊🐙🦉🐝🦄🐸🐳🦋🐌🦀🐡🦒🦔🐞",
        "492038475610384",
        "^%)~&?!;:[{=+-|",
        "zTq8#mVw2@Lp5xR",
        "no capitals no digits no signs",
    ],
)
def test_a_long_password_of_any_characters_has_no_fault(password: str) -> None:
    assert password_faults(password, context=ANNA) == []


def test_fourteen_code_points_are_too_few_and_fifteen_are_enough() -> None:
    assert password_faults("zTq8#mVw2@Lp5x") == [TOO_SHORT]
    assert password_faults("zTq8#mVw2@Lp5xR") == []


def test_length_is_counted_in_code_points_not_in_bytes() -> None:
    assert password_faults("🐢🦊🐙🦉🐝🦄🐸🐳🦋🐌🦀🐡🦒🦔") == [TOO_SHORT]


def test_a_ligature_that_unfolds_counts_as_the_one_character_that_was_typed() -> None:
    assert len(normalised("\ufdfa")) == 18
    assert password_faults("\ufdfa") == [TOO_SHORT]


def test_a_decomposed_password_counts_as_it_is_hashed() -> None:
    typed = unicodedata.normalize("NFD", "äöüéèêñçåøzkwvq"[:14])
    assert len(typed) >= MIN_LENGTH
    assert TOO_SHORT in password_faults(typed)


def test_1024_code_points_are_taken_and_1025_are_not() -> None:
    words = "every word of this sentence differs from its neighbours; number "
    long = "".join(f"{words}{n * 7919} " for n in range(40))
    assert password_faults(long[:MAX_LENGTH]) == []
    assert password_faults(long[: MAX_LENGTH + 1]) == [TOO_LONG]


def test_what_unfolds_beyond_the_limit_is_too_long() -> None:
    assert password_faults("\ufdfa" * 100) == [TOO_LONG]


@pytest.mark.parametrize("bad", ["\0", "\ud800", "\x1b", "\n", "\x7f"])
def test_control_characters_and_halves_of_a_character_are_refused(bad: str) -> None:
    assert password_faults(f"zTq8#mVw2@{bad}Lp5xR") == [NOT_TEXT]


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("1qaz2wsx3edc4rfv", COMMON),
        ("RESPONSIBILITIES", COMMON),
        ("q w e r t y u i o p", COMMON),
        ("sunshine12345678", COMMON),
        ("sunshine!!!!!!!!!", COMMON),
        ("passwordpassword", REPEATED),
        ("PasswordpassworDpass", REPEATED),
        ("abcabcabcabcabcab", REPEATED),
        ("a" * 64, REPEATED),
        (" " * 20, REPEATED),
        ("x7Kq x7Kq x7Kq x7Kq", REPEATED),
        ("abcdefghijklmnopqrs", PATTERN),
        ("1234567890123456", PATTERN),
        ("9876543210abcdef", PATTERN),
        ("asdfghjklqwertzuiop", PATTERN),
        ("!@#$%^&*()12345", PATTERN),
        ("aaaaabbbbbcccccd", PATTERN),
        ("qwertyuiop-anton", COMMON),
        ("CareLink-CareLink", REPEATED),
        ("carelink password", COMMON),
        ("CareLink AnnaBerg", ABOUT_YOU),
        ("anna.berg@ward7.example", ABOUT_YOU),
        ("Anna Berg Intensive 1987", ABOUT_YOU),
        ("Berg, Anna: 1. Mai", ABOUT_YOU),
        ("carelink12345678", PATTERN),
    ],
)
def test_what_guessers_try_first_is_refused_and_says_why(password: str, fault: str) -> None:
    assert password_faults(password, context=ANNA) == [fault]


def test_a_name_is_held_against_its_own_account_only() -> None:
    password = "Anna Berg Intensive 1987"
    assert password_faults(password, context=["li.wei@ward7.example", "Li Wei"]) == []


def test_empty_and_tiny_context_does_no_harm() -> None:
    assert password_faults("zTq8#mVw2@Lp5xR", context=["", " ", "z", "8", "@"]) == []


def test_every_fault_is_one_sentence() -> None:
    for fault in (TOO_SHORT, TOO_LONG, NOT_TEXT, COMMON, REPEATED, PATTERN, ABOUT_YOU):
        assert fault.endswith(".")
        assert fault.count(". ") == 0


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=64), st.lists(st.text(max_size=20), max_size=3))
@example("\ud800" * 20, [])
def test_any_text_gets_an_answer(password: str, context: list[str]) -> None:
    faults = password_faults(password, context=context)
    assert len(faults) <= 2
    if not faults:
        assert len(password) >= MIN_LENGTH


@given(st.text(max_size=64))
def test_normalising_twice_changes_nothing(password: str) -> None:
    assert normalised(normalised(password)) == normalised(password)
