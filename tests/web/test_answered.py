"""Lines and counts of requests: every one, a moment later, by a thread that holds up nobody."""

import io
import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from carelink_api import answered, logs
from carelink_api.answered import Answered, Telling
from tests.processes import wait_for


def one(number: int) -> Answered:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Answered(at, 0.0125, "GET", "/api/auth/me/", 200, f"request-{number:06}")


class Lines:
    """Takes lines as long as nobody stops it."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.ids: list[str] = []
        self.reached: list[int] = []

    def __call__(self, events: Sequence[dict[str, Any]]) -> None:
        self.reached.append(len(events))
        self.open.wait()
        self.ids += [event["request_id"] for event in events]


def counted() -> float:
    """Return how many of these a scrape would tell of."""
    labels = {"method": "GET", "route": one(0).route, "status": "200"}
    return REGISTRY.get_sample_value("carelink_request_duration_seconds_count", labels) or 0.0


@pytest.fixture
def written() -> Lines:
    return Lines()


@pytest.fixture
def telling(written: Lines) -> Telling:
    telling = Telling(written)
    threading.Thread(target=telling.run, daemon=True).start()
    wait_for(lambda: telling.note == telling._keep, "the thread")
    return telling


def test_without_a_thread_it_is_told_at_once(written: Lines) -> None:
    Telling(written).note(one(1))
    assert written.ids == ["request-000001"]


def test_a_thread_tells_of_all_and_in_order(telling: Telling, written: Lines) -> None:
    for number in range(1200):
        telling.note(one(number))
    wait_for(lambda: len(written.ids) == 1200, "every line")
    assert written.ids == [one(number).request_id for number in range(1200)]
    telling.note(one(1200))  # and of what comes when it had nothing to do
    wait_for(lambda: len(written.ids) == 1201, "one more")


def test_a_log_that_nobody_empties_holds_up_no_request(
    telling: Telling,
    written: Lines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info")
    monkeypatch.setattr(answered, "MOST", 100)
    written.open.clear()
    telling.note(one(0))
    wait_for(lambda: len(written.reached) == 1, "the thread to be stuck with the first")
    before = counted()
    for number in range(1, 131):
        telling.note(one(number))
    wait_for(lambda: counted() == before + 130, "every one to be counted, at the next scrape too")
    assert written.ids == []
    written.open.set()
    wait_for(lambda: len(written.ids) == 101, "what was kept")
    wait_for(lambda: telling._lost == 0, "the loss to be told")
    telling.note(one(131))
    wait_for(lambda: written.ids[-1] == "request-000131", "the thread to go on")
    assert '"requests": 30' in capsys.readouterr().err


def test_a_stream_that_throws_ends_no_thread(
    written: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info")
    calls: list[int] = []

    def write(events: Sequence[dict[str, Any]]) -> None:
        calls.append(len(events))
        if len(calls) == 1:
            raise ValueError("closed")
        written(events)

    telling = Telling(write)
    threading.Thread(target=telling.run, daemon=True).start()
    wait_for(lambda: telling.note == telling._keep, "the thread")
    telling.note(one(1))
    wait_for(lambda: len(calls) == 1, "the first")
    telling.note(one(2))
    wait_for(lambda: written.ids == ["request-000002"], "the second")
    assert "telling_crashed" in capsys.readouterr().err


class Pieces(io.StringIO):
    """Remembers what was written in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


def test_lines_are_written_whole_and_in_pieces_that_a_pipe_takes_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Pieces()
    monkeypatch.setattr("sys.stderr", stream)
    telling = Telling(logs.request_logger("info"))
    telling._waiting.extend(one(number) for number in range(100))
    telling.tell()
    assert 2 < len(stream.pieces) < 10
    assert all(len(piece) <= 4096 and piece.endswith("\n") for piece in stream.pieces)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["request_id"] for line in lines] == [one(n).request_id for n in range(100)]
