"""One account, one address, however it is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carelink_api.accounts.service import normalise_email


@pytest.mark.parametrize(
    "typed",
    [
        "anna.berg@ward.example",
        "  Anna.Berg@WARD.example ",
        "anna.berg@ward.example\n",
        "ａｎｎａ.berg@ward.example",  # full width
        "\N{NO-BREAK SPACE}anna.berg@ward.example",
    ],
)
def test_case_spaces_and_unicode_form_do_not_count(typed: str) -> None:
    assert normalise_email(typed) == "anna.berg@ward.example"


def test_composed_and_decomposed_letters_are_the_same_letter() -> None:
    assert normalise_email("zoe\u0308@ward.example") == normalise_email("ZO\u00cb@ward.example")


def test_different_people_stay_different() -> None:
    assert normalise_email("anna.berg@ward.example") != normalise_email("annaberg@ward.example")


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(typed: str) -> None:
    assert normalise_email(normalise_email(typed)) == normalise_email(typed)


def test_no_character_changes_when_normalised_again() -> None:
    unstable = [
        hex(code)
        for code in range(0x110000)
        if normalise_email(once := normalise_email(f"a{chr(code)}b")) != once
    ]
    assert unstable == []
