"""Ranges of addresses, as operators type them and as both databases understand them."""

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.sessions.addresses import is_personal, parse_range
from carelink_api.sessions.models import Session
from carelink_api.sessions.revoking import Selection, count_selected
from tests.auth_helper import Auth
from tests.sessions.helpers import insert_sessions

ADDRESSES = {
    "v4": "10.20.30.40",
    "other v4": "10.21.0.1",
    "mapped": "::ffff:a14:1e28",  # 10.20.30.40
    "v6": "2001:db8:7::1",
    "local": "::1",
    "unknown": None,
}


@pytest.mark.parametrize(
    ("typed", "selected"),
    [
        ("10.20.0.0/16", {"v4", "mapped"}),
        ("10.20.30.40", {"v4", "mapped"}),
        ("::ffff:10.20.30.40", {"v4", "mapped"}),
        ("::ffff:10.20.0.0/112", {"v4", "mapped"}),
        ("10.0.0.0/8", {"v4", "other v4", "mapped"}),
        ("0.0.0.0/0", {"v4", "other v4", "mapped"}),
        ("2001:db8::/32", {"v6"}),
        ("::/0", {"v6", "local"}),
        (" 192.168.0.0/16 ", set()),
    ],
)
def test_a_range_selects_the_sessions_that_began_in_it(
    app: Flask, auth: Auth, sql: Sql, typed: str, selected: set[str]
) -> None:
    user_id, network = auth.create_user().id, parse_range(typed)
    for name, address in ADDRESSES.items():
        (sid,) = insert_sessions(sql, user_id, 1, clock.now())
        sql.execute(update(Session).where(Session.id == sid).values(address=address))
        sql.commit()
        found = count_selected(sql, Selection(address_range=network), now=clock.now())
        assert found == (name in selected), name
        sql.execute(update(Session).values(ended_at=clock.now()))
        sql.commit()


@pytest.mark.parametrize("typed", ["", "ward 7", "10.0.0.0/33", "10.0.0", "fe80::1%eth0", "1/2/3"])
def test_what_is_no_range_is_refused_in_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match="Write a range as"):
        parse_range(typed)


@pytest.mark.parametrize("typed", ["10.20.30.40/16", "2001:db8::1/32"])
def test_an_address_inside_a_range_is_not_taken_for_the_range(typed: str) -> None:
    with pytest.raises(ValueError, match="address inside a range"):
        parse_range(typed)


@pytest.mark.parametrize(
    ("typed", "told"),
    [("10.20.0.0/16", "10.20.0.0/16"), ("10.20.30.0/25", "personal"), ("10.1.2.3", "personal"),
     ("2001:db8::/48", "2001:db8::/48"), ("2001:db8::/64", "personal")],
)  # fmt: skip
def test_a_range_that_may_be_one_persons_stands_in_no_event(typed: str, told: str) -> None:
    network = parse_range(typed)
    assert is_personal(network) == (told == "personal")
    assert Selection(address_range=network).described() == {"address_range": told}
