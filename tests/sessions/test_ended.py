"""What a worker remembers of ended sessions."""

import pytest

from carelink_api.sessions.ended import KEEP_SECONDS, MANY, EndedSessions, Refusal
from carelink_api.sessions.grants import new_sid
from carelink_api.sessions.packed import fingerprint

NOW = 1_900_000_000.0
SLICE = 300


@pytest.fixture
def ended() -> EndedSessions:
    return EndedSessions()


def test_nothing_is_refused_at_first(ended: EndedSessions) -> None:
    assert ended.find(new_sid(), NOW) is None
    assert len(ended) == 0


def test_an_ended_session_is_refused_with_its_reason(ended: EndedSessions) -> None:
    ended.add("a" * 22, NOW, "idle")
    assert ended.find("a" * 22, NOW) == "idle"
    assert ended.find("b" * 22, NOW) is None
    assert len(ended) == 1


def test_an_end_ahead_refuses_from_that_moment_on(ended: EndedSessions) -> None:
    ended.add("a" * 22, NOW + 60, "shift_ended")
    assert ended.find("a" * 22, NOW + 59.999) is None
    assert ended.find("a" * 22, NOW + 60) == "shift_ended"


def test_an_end_ahead_can_be_withdrawn(ended: EndedSessions) -> None:
    ended.add("a" * 22, NOW + 60, "shift_ended")
    ended.withdraw("a" * 22, NOW)
    assert ended.find("a" * 22, NOW + 3600) is None
    assert len(ended) == 0


@pytest.mark.parametrize("at", [NOW, NOW - 1])
def test_what_has_ended_cannot_be_withdrawn(ended: EndedSessions, at: float) -> None:
    ended.add("a" * 22, at, "shift_ended")
    ended.withdraw("a" * 22, NOW)
    assert ended.find("a" * 22, NOW) == "shift_ended"


def test_withdrawing_an_unknown_session_does_nothing(ended: EndedSessions) -> None:
    ended.withdraw("a" * 22, NOW)
    assert ended.find("a" * 22, NOW) is None


def test_an_end_can_be_brought_forward(ended: EndedSessions) -> None:
    ended.add("a" * 22, NOW + 3600, "shift_ended")
    ended.add("a" * 22, NOW, "revoked")
    assert ended.find("a" * 22, NOW) == "revoked"


def test_sessions_are_remembered_for_an_hour_and_five_minutes(ended: EndedSessions) -> None:
    ended.add("a" * 22, NOW, "revoked")
    ended.prune(NOW + KEEP_SECONDS)
    assert ended.find("a" * 22, NOW + KEEP_SECONDS) == "revoked"
    ended.prune(NOW + KEEP_SECONDS + 0.001)
    assert ended.find("a" * 22, NOW + KEEP_SECONDS) is None
    assert len(ended) == 0


def test_what_is_remembered_outlives_the_longest_access_token_and_leeway() -> None:
    assert KEEP_SECONDS >= 3600 + 30 + 60


def test_an_end_ahead_is_never_pruned(ended: EndedSessions) -> None:
    ended.add("a" * 22, NOW + 60, "shift_ended")
    ended.prune(NOW)
    assert ended.find("a" * 22, NOW + 60) == "shift_ended"


def pack(ended: EndedSessions, *sids: str, at: float = NOW, reason: str = "revoked") -> None:
    ended.pack([fingerprint(sid) for sid in sids], at, reason)


def tidy(ended: EndedSessions, *, whole: bool = False) -> None:
    for _ in ended.tidy(whole=whole):
        pass


def test_packed_sessions_are_refused_with_their_reason(ended: EndedSessions) -> None:
    revoked, expired = new_sid(), new_sid()
    pack(ended, revoked)
    pack(ended, expired, reason="session_expired")
    assert (ended.find(revoked, NOW), ended.find(expired, NOW)) == ("revoked", "session_expired")
    assert ended.find(new_sid(), NOW) is None
    assert len(ended) == 2


def test_packing_a_session_twice_counts_it_once(ended: EndedSessions) -> None:
    sid = new_sid()
    pack(ended, sid)
    pack(ended, sid)
    tidy(ended, whole=True)
    assert len(ended) == 1
    assert ended.find(sid, NOW) == "revoked"


def test_packed_sessions_are_remembered_at_least_as_long_as_others(ended: EndedSessions) -> None:
    sid = new_sid()
    pack(ended, sid)
    ended.prune(NOW + KEEP_SECONDS)
    assert ended.find(sid, NOW) == "revoked"
    ended.prune(NOW + KEEP_SECONDS + SLICE + 1)
    assert ended.find(sid, NOW) is None
    assert len(ended) == 0


def test_packed_and_single_ends_do_not_hide_each_other(ended: EndedSessions) -> None:
    sid = new_sid()
    ended.add(sid, NOW + 3600, "shift_ended")
    pack(ended, sid)
    assert ended.find(sid, NOW) == "revoked"


def test_very_many_single_ends_are_packed_and_keep_their_reasons(ended: EndedSessions) -> None:
    reasons = ("revoked", "session_expired", "idle")
    over = {new_sid(): reasons[number % 3] for number in range(MANY)}
    ahead = new_sid()
    for number, (sid, reason) in enumerate(over.items()):
        ended.add(sid, NOW - number % 400, reason, ended=True)
    ended.add(ahead, NOW + 60, "shift_ended")
    tidy(ended)
    assert list(ended._single) == [ahead]
    assert {sid: ended.find(sid, NOW) for sid in over} == over
    assert (ended.find(ahead, NOW), ended.find(ahead, NOW + 60)) == (None, "shift_ended")
    ended.prune(NOW + KEEP_SECONDS - 400)
    assert len(ended) == MANY + 1


@pytest.mark.parametrize(("known", "told", "found"), [
    ((NOW - 60, False), (NOW + 3600, False), "old"),
    ((NOW + 60, True), (NOW + 3600, False), "old"),
    ((NOW + 60, False), (NOW + 3600, False), None),
    ((NOW + 3600, False), (NOW, False), "new"),
    ((NOW - 60, True), (NOW - 60, True), "new"),
])  # fmt: skip
def test_nothing_that_is_learned_revives_whom_it_refuses(
    ended: EndedSessions, known: tuple[float, bool], told: tuple[float, bool], found: str | None
) -> None:
    sid = new_sid()
    ended.add(sid, known[0], "old", ended=known[1])
    ended.learn(sid, Refusal(told[0], "new", told[1]), NOW)
    assert ended.find(sid, NOW) == found


def test_ends_ahead_that_nobody_tells_of_any_more_are_withdrawn(ended: EndedSessions) -> None:
    over, due, told, gone = (new_sid() for _ in range(4))
    ended.add(over, NOW + 60, "revoked", ended=True)  # by a clock that is ahead of ours
    for sid, at in ((due, NOW), (told, NOW + 60), (gone, NOW + 60)):
        ended.add(sid, at, "shift_ended")
    ended.withdraw_all_but({told}, NOW)
    later = [ended.find(sid, NOW + 60) for sid in (over, due, told, gone)]
    assert later == ["revoked", "shift_ended", "shift_ended", None]
