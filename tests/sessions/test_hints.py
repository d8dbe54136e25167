"""Messages that sessions have ended, and how long a worker doubts what it remembers of them."""

import sys
from types import FrameType
from typing import Any

import pytest

from carelink_api.sessions.hints import MOST_DOUBTS, Doubts, Hint, read_hint

SID, OTHER = "AbCdEfGhIjKlMnOpQrSt-_", "ZbCdEfGhIjKlMnOpQrSt-_"


@pytest.mark.parametrize("sids", [(SID,), (SID, OTHER)])
def test_what_is_written_is_read(sids: tuple[str, ...]) -> None:
    hint = Hint(1795366505.125, sids)
    assert read_hint(hint.as_message().encode()) == hint


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"1795366505.125",
        SID.encode(),
        f"nan {SID}".encode(),
        f"inf {SID}".encode(),
        f"1795366505.125 {SID[:-1]}".encode(),
        f"1795366505.125 {SID} {SID}x".encode(),
        f"1795366505.125  {SID}".encode(),
        "1795366505.125 ÄÄÄÄÄÄÄÄÄÄÄ".encode(),
        b"\xff\xfe",
        b"*",
    ],
)
def test_what_none_of_us_has_written_says_nothing(message: bytes) -> None:
    assert read_hint(message) is None


def test_a_doubt_lasts_until_a_look_that_began_after_it() -> None:
    doubts = Doubts()
    doubts.add([SID], 10.0)
    assert doubts.about(SID, 9.0)
    assert doubts.about(SID, 10.0), "it may have read before it heard"
    assert not doubts.about(SID, 10.1)
    assert not doubts.about(OTHER, 9.0)


def test_a_doubt_about_everybody_is_one_about_each() -> None:
    doubts = Doubts()
    doubts.add_everybody(10.0)
    assert doubts.about(SID, 10.0)
    assert not doubts.about(SID, 10.1)


def test_a_second_message_begins_the_doubt_anew() -> None:
    doubts = Doubts()
    doubts.add([SID], 10.0)
    doubts.add([OTHER], 11.0)
    doubts.add([SID], 12.0)
    doubts.forget(11.5)
    assert doubts.about(SID, 11.5)
    assert len(doubts) == 1


def test_what_a_look_has_settled_is_forgotten() -> None:
    doubts = Doubts()
    doubts.add([SID], 10.0)
    doubts.forget(10.0)
    assert len(doubts) == 1
    doubts.forget(10.1)
    assert len(doubts) == 0


def test_more_doubts_than_it_keeps_are_one_about_everybody() -> None:
    doubts = Doubts()
    doubts.add([SID], 10.0)
    for number in range(0, 3 * MOST_DOUBTS, 500):
        doubts.add([f"{each:022}" for each in range(number, number + 500)], 11.0)
        assert len(doubts) <= MOST_DOUBTS
    assert doubts.about(SID, 10.5)
    assert doubts.about(OTHER, 10.5)
    assert not doubts.about(OTHER, 11.1)


def test_who_is_heard_of_again_is_doubted_at_every_moment() -> None:
    doubts = Doubts()
    doubts.add([SID], 10.0)
    seen = []

    def look(_frame: FrameType, _event: str, _: object) -> Any:
        seen.append(doubts.about(SID, 9.0))
        return look

    before = sys.gettrace()
    sys.settrace(look)  # a request may run between any two lines
    try:
        doubts.add([SID], 11.0)
    finally:
        sys.settrace(before)
    assert len(seen) > 3
    assert all(seen)
