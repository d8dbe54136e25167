"""Which events are kept for how long: four classes, each with a setting of its own. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from ..config import Settings
from .events import Event


class RetentionClass(StrEnum):
    SECURITY = "security"
    """Logins, sessions, tokens, accounts, the denylist, and all about the trail itself."""
    ACCESS = "access"
    """Who has seen whose data, or tried to."""
    CLINICAL = "clinical"
    """Who has written into records."""
    ADMINISTRATIVE = "administrative"
    """Rosters and units."""


_ADMINISTRATIVE = ("shift:", "unit:")
_ABOUT_RECORDS = ("access_log:", "appointment:", "appointments:", "board:", "break_glass:",
                  "care_team:", "chart:", "handoff:", "handoffs:", "note:", "notes:",
                  "observation:", "observations:", "owner:", "patient:", "patients:",
                  "statistics:")  # fmt: skip
_READS = (":read", "_read", ":listed", "_listed", ":found", "break_glass:opened",
          "break_glass:ended", "break_glass:reviewed")  # fmt: skip


def class_of(event: str) -> RetentionClass:
    """Return the class of an event, by its name; what is not known is security's."""
    if event.startswith(_ADMINISTRATIVE) and event != Event.UNIT_SESSIONS_REFUSED:
        return RetentionClass.ADMINISTRATIVE
    if not event.startswith(_ABOUT_RECORDS):
        return RetentionClass.SECURITY
    return RetentionClass.ACCESS if event.endswith(_READS) else RetentionClass.CLINICAL


@dataclass(frozen=True)
class Retention:
    """How long events are kept: all, and those of classes that have a setting of their own."""

    default: timedelta
    by_class: Mapping[RetentionClass, timedelta]

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        by_class = settings.audit_retention_by_class.items()
        return cls(
            settings.audit_retention, {RetentionClass(name): kept for name, kept in by_class}
        )

    def until(self, event: str, recorded_at: datetime) -> datetime:
        """Return before when an event is not removed; it goes with its block, a little later."""
        return recorded_at + self.by_class.get(class_of(event), self.default)
