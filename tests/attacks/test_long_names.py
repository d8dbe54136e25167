"""Accounts at the limits of what the tables hold."""

import pytest

from tests.auth_helper import Auth

pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
WIDEST = "\U00020000"
"""A letter that takes the most bytes in a token: twelve, and a third more as base64."""


def test_the_longest_name_and_address_do_not_lock_their_owner_out(auth: Auth) -> None:
    email = f"{WIDEST * 64}@{WIDEST * 189}"
    auth.create_user(email, name=WIDEST * 200)
    granted = auth.tokens(email)
    assert auth.me(granted["access"]).status_code == 200
    assert auth.verify(granted["access"]).status_code == 200
