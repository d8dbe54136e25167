"""What takes long is started first, so that at the end no process works while the others wait.

Each process begins with its own part of the list and takes over tests from another's end when it
has none left. So the folders whose tests take long stand where two processes begin: those that wait
most of the time for one, those that reckon most of the time for the other.
"""

import gc

import pytest

WAITING = ("browser", "faults", "e2e")
RECKONING = ("fuzz", "ward_shift", "model", "production", "migrations")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones at the beginning and behind the middle; else the order stays."""
    waiting = [item for item in items if folder(item) in WAITING]
    reckoning = [item for item in items if folder(item) in RECKONING]
    others = [item for item in items if folder(item) not in (*WAITING, *RECKONING)]
    waiting.sort(key=lambda item: WAITING.index(folder(item)))
    reckoning.sort(key=lambda item: RECKONING.index(folder(item)))
    middle = max(0, len(items) // 2 - len(waiting))
    items[:] = [*waiting, *others[:middle], *reckoning, *others[middle:]]


def pytest_collection_finish() -> None:
    """Let the collector of cycles look no more at what all the tests use, and less often at all.

    With everything imported it has a million objects to visit each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def folder(item: pytest.Item) -> str:
    """Return the folder of `tests` in which a test stands."""
    return item.path.relative_to(item.config.rootpath).parts[1]
