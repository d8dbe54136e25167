"""Very many session ids in little memory."""

import random
import sys
import threading
import tracemalloc

import pytest

from carelink_api.sessions.grants import new_sid
from carelink_api.sessions.packed import FILLER, PackedSids, fingerprint, fingerprints, split


def add(packed: PackedSids, sids: list[str], at_once: int = 1000) -> None:
    for start in range(0, len(sids), at_once):
        packed.add([fingerprint(sid) for sid in sids[start : start + at_once]])


def tidy(packed: PackedSids, *, whole: bool = False) -> int:
    return sum(1 for _ in packed.tidy(whole=whole))


def test_a_text_of_sids_has_the_fingerprints_of_each() -> None:
    sids = [new_sid() for _ in range(100)] + ["a" * 22, "-_" * 11]
    text = "".join(sid + FILLER for sid in sids)
    assert fingerprints(text) == [fingerprint(sid) for sid in sids]
    assert split(text) == sids
    assert fingerprints("") == split("") == []


@pytest.mark.parametrize("at_once", [11, 300, 1000])
def test_all_of_very_many_are_found_and_nobody_else(at_once: int) -> None:
    packed, sids = PackedSids(), [new_sid() for _ in range(5000)]
    add(packed, sids, at_once)
    for _ in range(2):
        tidy(packed)
        assert all(fingerprint(sid) in packed for sid in sids)
        assert not any(fingerprint(new_sid()) in packed for _ in range(5000))
        assert len(packed) == 5000


def test_tidying_leaves_few_runs_and_makes_small_steps() -> None:
    packed = PackedSids()
    for _ in range(50):
        add(packed, [new_sid() for _ in range(1000)])
        tidy(packed)
    assert len(packed._runs) <= 3 * 4
    assert tidy(packed, whole=True) >= len(packed) // (4 * 500)
    assert len(packed._runs) == 1


@pytest.mark.parametrize("whole", [True, False])
def test_of_very_many_runs_each_step_of_tidying_takes_a_few_only(whole: bool) -> None:
    packed, chance = PackedSids(), random.Random(7)
    for _ in range(200):
        packed.add([chance.getrandbits(64) for _ in range(1000)])
    tracemalloc.start()
    try:
        tidy(packed, whole=whole)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(packed) == 200_000
    assert most < 2 * 9.5 * len(packed)  # the runs, the merged one, and no crowd of single numbers


def test_a_million_take_little_more_than_8_bytes_each() -> None:
    packed, chance = PackedSids(), random.Random(7)
    for _ in range(50):
        packed.add([chance.getrandbits(64) for _ in range(2000)])
        tidy(packed)
    assert sum(map(sys.getsizeof, packed._runs)) <= 9.5 * len(packed) == 9.5 * 100_000


def test_what_came_twice_is_kept_once_when_it_is_merged() -> None:
    packed, sids = PackedSids(), [new_sid() for _ in range(5000)]
    for _ in range(3):
        add(packed, sids)
    tidy(packed, whole=True)
    assert len(packed) == 5000
    assert all(fingerprint(sid) in packed for sid in sids)


def test_tidying_that_stops_half_way_loses_nothing() -> None:
    packed, sids = PackedSids(), [new_sid() for _ in range(8000)]
    add(packed, sids)
    steps = packed.tidy()
    next(steps)
    steps.close()
    assert all(fingerprint(sid) in packed for sid in sids)
    assert len(packed) == 8000


def test_who_adds_while_another_one_tidies_is_not_forgotten() -> None:
    packed, early, late = PackedSids(), *([new_sid() for _ in range(8000)] for _ in range(2))
    add(packed, early)
    adding = threading.Thread(target=add, args=(packed, late, 50))
    adding.start()
    while adding.is_alive():
        tidy(packed)
        assert all(fingerprint(sid) in packed for sid in early[:50])
    assert all(fingerprint(sid) in packed for sid in early + late)
    assert len(packed) == 16_000
