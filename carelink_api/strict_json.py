"""JSON as RFC 8259 has it, read so that no two readers can see different values in it."""

import json
from typing import Any, NoReturn


def loads(text: str | bytes) -> Any:
    """Return what the text holds.

    Raises ValueError for what is no JSON, NaN and Infinity among it, and for a name that stands
    twice in an object; RecursionError for one that is too deep.
    """
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_twins)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")  # json.loads would take NaN and Infinity


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members
