"""The promise holds in every state of the model, and the model can tell when a rule is broken.

With `STORIES` set, another ending runs beside also where memory answers: 730,000 states.
"""

import os
from functools import partial

import pytest

from tests.model.exploring import Exploration, explore
from tests.model.promise import ENDED_LET_IN, LET_IN, REFUSED, UNAVAILABLE, steps
from tests.model.promise_states import Rules, State

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
FROM_MEMORY = {
    "alone_while_fresh": TOO_LATE,
    "alone_before_memory": KNOWN_TO_REDIS,
    "doubt_outlives_beats_begun": KNOWN_TO_REDIS,
    "doubt_when_listening_begins": KNOWN_TO_REDIS,
}


def explored(rules: Rules) -> Exploration:
    return explore(State(), partial(steps, rules=rules))


@pytest.mark.parametrize(
    "rules",
    [
        Rules(own=True),
        Rules(own=False),
        Rules(own=False, memory=True, beside="STORIES" in os.environ),
    ],
    ids=["ended here", "ended elsewhere", "ended elsewhere, from memory"],
)
def test_the_promise_holds_in_every_state(rules: Rules) -> None:
    found = explored(rules)
    assert (found.broken, found.story) == (None, ())
    assert found.states > 50_000
    # Every kind of answer is given somewhere, the one inside the second too.
    assert {REFUSED, LET_IN, ENDED_LET_IN, UNAVAILABLE} <= found.happened.keys()


@pytest.mark.parametrize("rule", BREACHES)
def test_without_any_one_rule_it_does_not(rule: str) -> None:
    found = explored(Rules(own=False, **{rule: False}))
    assert found.broken == BREACHES[rule], found.states


@pytest.mark.parametrize("rule", FROM_MEMORY)
def test_memory_may_not_answer_alone_without_any_one_of_its_rules(rule: str) -> None:
    found = explored(Rules(own=False, memory=True, **{rule: False}))
    assert found.broken == FROM_MEMORY[rule], found.states


def test_every_rule_is_broken_once() -> None:
    assert {*BREACHES, *FROM_MEMORY, "own", "memory", "beside"} == set(Rules.__dataclass_fields__)
