"""Visit every state that a small model can reach, whatever happens in whatever order."""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


class Broken(Exception):
    """Something has happened that the model promises never to let happen."""


@dataclass
class Exploration:
    """How many states there are, what happens in them, and a shortest story to a broken promise."""

    states: int
    happened: Counter[str]
    broken: str | None = None
    story: tuple[str, ...] = ()


def explore(start: S, steps: Callable[[S], Iterable[tuple[str, S]]]) -> Exploration:
    """Visit the nearest states first; stop at the first broken promise.

    `steps` yields all that may happen next in a state, and what that leads to.
    """
    came_from: dict[S, tuple[S | None, str]] = {start: (None, "")}
    waiting, happened = deque([start]), Counter[str]()
    while waiting:
        state = waiting.popleft()
        try:
            for name, following in steps(state):
                happened[name] += 1
                if following not in came_from:
                    came_from[following] = (state, name)
                    waiting.append(following)
        except Broken as broken:
            return Exploration(len(came_from), happened, str(broken), _story(came_from, state))
    return Exploration(len(came_from), happened)


def _story(came_from: dict[S, tuple[S | None, str]], last: S) -> tuple[str, ...]:
    names = []
    state: S | None = last
    while state is not None:
        state, name = came_from[state]
        names.append(name)
    return tuple(reversed(names[:-1]))
