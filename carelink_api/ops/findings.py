"""What the doctor says: a finding on each thing it has looked at."""

from dataclasses import dataclass
from enum import StrEnum

from ..config import Settings


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    UNSAFE = "unsafe"


@dataclass(frozen=True)
class Finding:
    """One check: what was found and, unless it is fine, why that matters and what mends it."""

    name: str
    state: State
    found: str
    why: str = ""
    mend: str = ""


def fine(name: str, found: str) -> Finding:
    return Finding(name, State.OK, found)


def warn(name: str, found: str, why: str, mend: str) -> Finding:
    return Finding(name, State.WARN, found, why, mend)


def unsafe(name: str, found: str, why: str, mend: str) -> Finding:
    return Finding(name, State.UNSAFE, found, why, mend)


def unsafe_in_production(
    settings: Settings, name: str, found: str, why: str, mend: str
) -> Finding:  # fmt: skip
    """What would be unsafe with patients' data is only a warning in development."""
    judge = unsafe if settings.is_production else warn
    return judge(name, found, why, mend)
