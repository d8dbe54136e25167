"""The promise holds in every state of the model, and the model can tell when a rule is broken."""

from functools import partial

import pytest

from tests.model.exploring import Exploration, explore
from tests.model.promise import ENDED_LET_IN, LET_IN, REFUSED, UNAVAILABLE, Rules, State, steps

TOO_LATE = "an ended session is let in a second after the answer"
KNOWN_TO_REDIS = "an ended session is let in although Redis knows of it"
HEALTHY = "a session that goes on is refused"
BREACHES = {
    "numbers_commit_in_order": TOO_LATE,
    "counter_before_rows": TOO_LATE,
    "whole_after_an_error": TOO_LATE,
    "first_read_is_whole": TOO_LATE,
    "age_from_start": TOO_LATE,
    "look_when_stale": TOO_LATE,
    "ask_memory_again": TOO_LATE,
    "ask_redis": KNOWN_TO_REDIS,
    "done_means_taken": KNOWN_TO_REDIS,
    "commit_before_publishing": HEALTHY,
}


def explored(rules: Rules) -> Exploration:
    return explore(State(), partial(steps, rules=rules))


@pytest.mark.parametrize("own", [True, False], ids=["ended here", "ended elsewhere"])
def test_the_promise_holds_in_every_state(own: bool) -> None:
    found = explored(Rules(own=own))
    assert (found.broken, found.story) == (None, ())
    assert found.states > 50_000
    # Every kind of answer is given somewhere, the one inside the second too.
    assert {REFUSED, LET_IN, ENDED_LET_IN, UNAVAILABLE} <= found.happened.keys()


@pytest.mark.parametrize("rule", BREACHES)
def test_without_any_one_rule_it_does_not(rule: str) -> None:
    found = explored(Rules(own=False, **{rule: False}))
    assert found.broken == BREACHES[rule], found.states


def test_every_rule_is_broken_once() -> None:
    assert {*BREACHES, "own"} == set(Rules.__dataclass_fields__)
