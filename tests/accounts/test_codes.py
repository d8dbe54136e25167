"""What a one-time code is, whoever reads it out and types it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carelink_api.accounts.codes import as_written, hash_of, new_code

SECRET = "of this test alone"


def test_a_code_has_eighty_bits_in_four_groups_without_letters_that_look_alike() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    seen = "".join(codes)
    assert all(len(code) == 19 and code[4::5] == "---" for code in codes)
    assert set(seen) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ-")


@pytest.mark.parametrize(
    "typed",
    ["k7qm-2xhd-9r10-4wnb", "K7QM 2XHD 9R1O 4WNB", "k7qm2xhd9rl04wnb", "K7QM-2XHD-9RI04WNB"],
)
def test_however_it_is_typed_it_is_the_same_code(typed: str) -> None:
    assert hash_of(typed, 1, SECRET) == hash_of("K7QM-2XHD-9R10-4WNB", 1, SECRET)


@given(st.text(max_size=64))
def test_whatever_is_typed_has_a_hash_and_one_form(typed: str) -> None:
    assert as_written(as_written(typed)) == as_written(typed)
    assert len(hash_of(typed, 7, SECRET)) == 64


def test_the_hash_fits_one_account_and_one_secret() -> None:
    code = new_code()
    assert len({hash_of(code, 1, SECRET), hash_of(code, 2, SECRET), hash_of(code, 1, "x")}) == 3
