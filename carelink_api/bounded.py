"""A small cache that cannot grow without end."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A dictionary that drops its oldest eighth when full. Safe between threads without a lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        return self._items.get(key)

    def put(self, key: K, value: V) -> None:
        if len(self._items) >= self._size:
            for oldest in list(self._items)[: self._size // 8 + 1]:
                self._items.pop(oldest, None)
        self._items[key] = value
