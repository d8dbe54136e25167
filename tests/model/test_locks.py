"""Locks that are always taken in the design's order (section 5) never wait for one another.

Each transaction is the list of rows that it locks, in its order; all locks go at its end. What
waits for nobody (activity skips rows that are held) is left out.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations_with_replacement

from tests.model.exploring import Broken, explore

ORDERLY = {
    "login": ["user:shared", "unit:shared"],
    "login beyond the cap": ["user:shared", "unit:shared", "counter", "session"],
    "change of type": ["user", "unit:shared", "counter", "session"],
    "change of profile": ["unit", "counter", "session"],
    "disable": ["user", "counter", "session"],
    "own password": ["user", "counter", "session"],
    "refresh": ["session"],
    "reuse": ["counter", "session"],
    "revoke, in two batches": ["counter", "session", "END", "counter", "session"],
}
REUSE_AFTER_A_LOST_SWAP = ["session", "counter"]
SESSION_BEFORE_USER = ["session", "user"]
Transactions = Sequence[Sequence[str]]
Progress = tuple[int, ...]


def steps(progress: Progress, transactions: Transactions) -> Iterator[tuple[str, Progress]]:
    """Yield each transaction's next lock. Raises Broken where all that are left wait."""
    possible = False
    for index, done in enumerate(progress):
        if done < len(transactions[index]) and not _waits(index, progress, transactions):
            possible = True
            following = (*progress[:index], done + 1, *progress[index + 1 :])
            yield f"{index} locks {transactions[index][done]}", following
    if not possible and any(map(_is_under_way, transactions, progress)):
        raise Broken("everybody waits")


def _is_under_way(transaction: Sequence[str], done: int) -> bool:
    return done < len(transaction)


def _waits(index: int, progress: Progress, transactions: Transactions) -> bool:
    wanted = transactions[index][progress[index]]
    others = (_held(transactions[other], done) for other, done in enumerate(progress)
              if other != index)  # fmt: skip
    return any(_excludes(wanted, held) for locks in others for held in locks)


def _held(transaction: Sequence[str], done: int) -> Sequence[str]:
    if done == len(transaction):
        return ()
    locks = list(transaction[:done])
    return locks[locks.index("END") + 1 :] if "END" in locks else locks


def _excludes(wanted: str, held: str) -> bool:
    shared = wanted.endswith(":shared") and held.endswith(":shared")
    return wanted.partition(":")[0] == held.partition(":")[0] and not shared


def deadlock(transactions: Transactions) -> tuple[str, ...]:
    """Return a story to a deadlock; empty where there is none."""
    return explore((0,) * len(transactions), partial(steps, transactions=transactions)).story


def test_no_three_of_them_wait_for_one_another() -> None:
    for names in combinations_with_replacement(ORDERLY, 3):
        assert deadlock([ORDERLY[name] for name in names]) == (), names


def test_a_number_taken_after_the_row_is_locked_can_deadlock() -> None:
    story = deadlock([REUSE_AFTER_A_LOST_SWAP, ORDERLY["disable"]])
    assert story == ("0 locks session", "1 locks user", "1 locks counter")


def test_a_session_locked_before_its_user_can_deadlock() -> None:
    assert deadlock([SESSION_BEFORE_USER, ORDERLY["own password"]])
