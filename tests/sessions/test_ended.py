"""What a worker remembers of ended sessions."""

import secrets
import sys
from base64 import urlsafe_b64encode

import pytest

from carelink_api.sessions.ended import KEEP_SECONDS, EndedSessions
from carelink_api.sessions.grants import new_sid

NOW = 1_900_000_000.0
SLICE = 300
BUCKETS = 1 << 14


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


def test_packed_sessions_are_refused_as_revoked(ended: EndedSessions) -> None:
    sid = new_sid()
    ended.add_packed(sid, NOW)
    assert ended.find(sid, NOW) == "revoked"
    assert len(ended) == 1


def test_packing_a_session_twice_counts_it_once(ended: EndedSessions) -> None:
    sid = new_sid()
    ended.add_packed(sid, NOW)
    ended.add_packed(sid, NOW)
    assert len(ended) == 1


def test_packed_sessions_are_remembered_at_least_as_long_as_others(ended: EndedSessions) -> None:
    sid = new_sid()
    ended.add_packed(sid, NOW)
    ended.prune(NOW + KEEP_SECONDS)
    assert ended.find(sid, NOW) == "revoked"
    ended.prune(NOW + KEEP_SECONDS + SLICE + 1)
    assert ended.find(sid, NOW) is None
    assert len(ended) == 0


def test_packed_and_single_ends_do_not_hide_each_other(ended: EndedSessions) -> None:
    sid = new_sid()
    ended.add(sid, NOW + 3600, "shift_ended")
    ended.add_packed(sid, NOW)
    assert ended.find(sid, NOW) == "revoked"


def test_a_bulk_revocation_is_found_whole_and_hits_nobody_else(ended: EndedSessions) -> None:
    sids = [new_sid() for _ in range(10**5)]
    for sid in sids:
        ended.add_packed(sid, NOW)
    assert len(ended) == 10**5
    assert all(ended.find(sid, NOW) for sid in sids)
    assert not any(ended.find(new_sid(), NOW) for _ in range(10**5))


def test_a_million_packed_sessions_take_little_more_than_8_bytes_each(
    ended: EndedSessions,
) -> None:
    share = 64  # one bucket in 64, each as full as it is with a million sessions in all
    for number in range(10**6 // share):
        ended.add_packed(sid_of_bucket(number % (BUCKETS // share)), NOW)
    (block,) = ended._packed.values()
    assert len(block._buckets) == BUCKETS // share
    assert sum(map(sys.getsizeof, block._buckets.values())) <= 11 * len(ended)


def sid_of_bucket(bucket: int) -> str:
    """Return a random `sid` whose fingerprint lies in that bucket."""
    fingerprint = secrets.randbits(64) // BUCKETS * BUCKETS + bucket
    return urlsafe_b64encode(fingerprint.to_bytes(8, "big") + bytes(8)).decode()[:22]


def test_a_new_list_keeps_what_the_old_one_refused(ended: EndedSessions) -> None:
    single, packed, later = new_sid(), new_sid(), new_sid()
    old = EndedSessions()
    old.add(single, NOW - 60, "idle")
    old.add_packed(packed, NOW - 60)
    old.add(later, NOW + 60, "shift_ended")
    ended.keep_refused_of(old, NOW)
    assert ended.find(single, NOW) == "idle"
    assert ended.find(packed, NOW) == "revoked"
    assert ended.find(later, NOW + 60) is None, "the database says when, not the memory"


def test_a_new_list_cannot_move_a_past_end_ahead_again(ended: EndedSessions) -> None:
    old = EndedSessions()
    old.add("a" * 22, NOW - 60, "revoked")
    ended.add("a" * 22, NOW + 3600, "shift_ended")
    ended.keep_refused_of(old, NOW)
    assert ended.find("a" * 22, NOW) == "revoked"


def test_a_new_list_keeps_its_own_reasons(ended: EndedSessions) -> None:
    old = EndedSessions()
    old.add("a" * 22, NOW - 60, "revoked")
    ended.add("a" * 22, NOW - 60, "user_disabled")
    ended.keep_refused_of(old, NOW)
    assert ended.find("a" * 22, NOW) == "user_disabled"
