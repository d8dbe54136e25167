"""The rule of who may do what with whose record, and its SQL form."""

import itertools
import subprocess
import sys

import pytest

from carelink_api.accounts.models import UserType
from carelink_api.clinical.access import (
    Action,
    Granted,
    Refusal,
    Tie,
    decide,
    granting,
    may_admit_to,
)

CHART = {Action.READ, Action.WRITE}
ALL = CHART | {Action.OPEN, Action.BOOK}
# The whole rule once more, in the words of those who are asked about it.
MAY = {
    ("patient", Tie.SELF): {Action.READ, Action.BOOK, Action.READ_LOG},
    ("nurse", Tie.UNIT): ALL | {Action.HAND_OVER, Action.TAKE_OVER},
    ("nurse", Tie.HANDOFF): CHART | {Action.HAND_OVER},
    ("nurse", Tie.BREAK_GLASS): CHART,
    ("doctor", Tie.CARE_TEAM): ALL,
    ("doctor", Tie.APPOINTMENT): ALL,
    ("doctor", Tie.BREAK_GLASS): CHART,
}
TYPES = [*UserType, "", "Doctor", "x"]
NOBODYS = ["researcher", "admin", "ops", "", "Doctor"]
SUBSETS = [set(some) for n in range(len(Tie) + 1) for some in itertools.combinations(Tie, n)]


@pytest.mark.parametrize("user_type", TYPES)
@pytest.mark.parametrize("action", Action)
def test_a_tie_grants_what_it_grants_and_others_beside_it_take_nothing_away(
    user_type: str, action: Action
) -> None:
    for ties in SUBSETS:
        grounds = {tie for tie in ties if action in MAY.get((user_type, tie), set())}
        verdict = decide(user_type, ties, action)
        assert isinstance(verdict, Granted) is bool(grounds)
        assert not isinstance(verdict, Granted) or verdict.basis in grounds


@pytest.mark.parametrize("user_type", NOBODYS)
@pytest.mark.parametrize("action", Action)
def test_who_has_no_patients_finds_none_whatever_the_ties(user_type: str, action: Action) -> None:
    assert all(decide(user_type, ties, action) is Refusal.HIDDEN for ties in SUBSETS)
    assert granting(user_type, action) == ()


@pytest.mark.parametrize("user_type", ["doctor", "nurse"])
def test_an_emergency_lends_the_chart_and_nothing_that_outlasts_it(user_type: str) -> None:
    for action in CHART:
        assert decide(user_type, [], action) is Refusal.BREAK_GLASS_AVAILABLE
        assert decide(user_type, [Tie.BREAK_GLASS], action) == Granted(Tie.BREAK_GLASS)
    for action in (Action.OPEN, Action.BOOK):
        assert decide(user_type, [], action) is Refusal.HIDDEN
        assert decide(user_type, [Tie.BREAK_GLASS], action) is Refusal.FORBIDDEN


def test_a_patient_is_not_told_of_other_patients() -> None:
    assert all(decide("patient", [], action) is Refusal.HIDDEN for action in Action)
    assert decide("patient", [Tie.SELF], Action.WRITE) is Refusal.FORBIDDEN


def test_in_handoff_time_a_nurse_finishes_and_begins_nothing() -> None:
    assert decide("nurse", [Tie.HANDOFF], Action.WRITE) == Granted(Tie.HANDOFF)
    assert decide("nurse", [Tie.HANDOFF], Action.OPEN) is Refusal.IN_HANDOFF
    assert decide("nurse", [Tie.HANDOFF], Action.HAND_OVER) == Granted(Tie.HANDOFF)
    assert decide("nurse", [Tie.HANDOFF], Action.TAKE_OVER) is Refusal.IN_HANDOFF
    assert decide("nurse", [Tie.HANDOFF, Tie.UNIT], Action.OPEN) == Granted(Tie.UNIT)


def test_a_doctor_admits_anywhere_and_a_nurse_where_she_is_on_shift() -> None:
    admit = [
        (user_type, there)
        for user_type in TYPES
        for there in (True, False)
        if may_admit_to(user_type, on_shift_there=there)
    ]
    assert sorted(admit) == [("doctor", False), ("doctor", True), ("nurse", True)]


def test_the_rule_itself_imports_neither_flask_nor_sqlalchemy() -> None:
    source = decide.__code__.co_filename
    program = f"import runpy, sys; runpy.run_path({source!r}); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"flask", "sqlalchemy"} & set(loaded)
