"""Optimistic locking over HTTP: the `ETag` is a row's version, `If-Match` names the one changed.

RFC 9110 §8.8.3 and §13.1.1. A change without it would overwrite what its author never saw
(45 CFR 164.312(c)(1)).
"""

import re
from typing import Any, Protocol

from flask import request

from .errors import PreconditionFailed, PreconditionRequired

_ETAG = re.compile(r'"([1-9][0-9]{0,8})"', re.A)
_SCHEMA = {"type": "string", "pattern": r'^"[1-9][0-9]{0,8}"$'}
ETAG_HEADER: dict[str, Any] = {
    "ETag": {"description": "The version; send it as If-Match.", "schema": _SCHEMA}
}
"""For `headers=` of a documented answer."""
IF_MATCH: list[dict[str, Any]] = [
    {"in": "header", "name": "If-Match", "required": True, "schema": _SCHEMA,
     "description": "The ETag of what is changed."}
]  # fmt: skip
"""For `@bp.doc(parameters=IF_MATCH)` on a route that changes something."""


def etag(version: int) -> dict[str, str]:
    """Return the header that shows a version."""
    return {"ETag": f'"{version}"'}


def versioned(shown: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what is shown of a record, with its `version` as ETag."""
    return shown, etag(shown["version"])


def expected_version() -> int:
    """Return the version that the request wants to change.

    Raises PreconditionRequired without `If-Match`, PreconditionFailed where it names none: `*`
    too, since it would overwrite whatever is there.
    """
    header = request.headers.get("If-Match")
    if header is None:
        raise PreconditionRequired()
    found = _ETAG.fullmatch(header.strip())
    if found is None:
        raise PreconditionFailed()
    return int(found[1])


def check_version(expected: int, found: int) -> None:
    """Raise PreconditionFailed where somebody else has changed it meanwhile."""
    if expected != found:
        raise PreconditionFailed()


class Versioned(Protocol):
    """A row whose `version` counts its changes."""

    version: int


def change(row: Versioned, version: int) -> None:
    """Count one more change of a locked row. Raises PreconditionFailed."""
    check_version(version, row.version)
    row.version += 1
