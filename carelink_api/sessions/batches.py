"""Long lists piece by piece: a statement, or a round trip to Redis, takes only so much. Pure."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield the items in their order, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
