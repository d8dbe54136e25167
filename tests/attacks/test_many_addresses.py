"""A guesser who has very many addresses."""

from collections.abc import Sequence

import pytest

from tests.auth_helper import Auth

pytestmark = [
    pytest.mark.parametrize("store", ["sqlite"], indirect=True),
    pytest.mark.settings(ratelimit_enabled=True, trusted_proxies=1),
]
REFUSED_A_MINUTE = 20


def guess(auth: Auth, addresses: Sequence[str]) -> list[int]:
    """Guess at another account from each address; return the statuses."""
    return [
        auth.post(
            "login",
            {"email": f"nurse{number}@ward.example", "password": "a guess"},
            headers={"X-Forwarded-For": address},
        ).status_code
        for number, address in enumerate(addresses)
    ]


def test_all_addresses_of_one_ipv6_network_are_throttled_as_one(auth: Auth) -> None:
    statuses = guess(auth, [f"2001:db8:1:2:{n:x}::1" for n in range(REFUSED_A_MINUTE + 1)])
    assert statuses == [401] * REFUSED_A_MINUTE + [429]
    assert guess(auth, ["2001:db8:1:3::1"]) == [401]


def test_an_ipv4_address_in_ipv6_form_is_throttled_as_itself(auth: Auth) -> None:
    guess(auth, ["::ffff:192.0.2.1"] * REFUSED_A_MINUTE)
    assert guess(auth, ["192.0.2.1", "::ffff:192.0.2.2"]) == [429, 401]
