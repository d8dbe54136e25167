"""A change names the version it was made from: the second half of `versions`."""

from typing import Protocol

from ..versions import check_version


class Versioned(Protocol):
    """A row whose `version` counts its changes."""

    version: int


def change(row: Versioned, version: int) -> None:
    """Count one more change of a locked row. Raises PreconditionFailed."""
    check_version(version, row.version)
    row.version += 1
