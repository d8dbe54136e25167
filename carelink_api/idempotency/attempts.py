"""HTTP side: the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07)."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from flask import request

from .. import web
from ..errors import InvalidRequest

_GIVEN = re.compile(r'("?)([A-Za-z0-9._~-]{16,64})\1', re.A)
IDEMPOTENCY_KEY: list[dict[str, Any]] = [
    {"in": "header", "name": "Idempotency-Key", "required": False,
     "schema": {"type": "string", "pattern": r'^"[A-Za-z0-9._~-]{16,64}"$'},
     "description": "A text of one's own that nobody guesses, such as a UUID: with it the same "
     "request may be sent again for a day, and creates once."}
]  # fmt: skip
"""For `@bp.doc(parameters=IDEMPOTENCY_KEY)` on a route that creates something."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that names itself, so that it can be sent again."""

    route: str
    key: str
    fingerprint: str


def attempt() -> Attempt | None:
    """Return what the current request calls itself; None where it has no key.

    The draft's quotes may be missing, as with many a client. Raises InvalidRequest for no key.
    """
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    found = _GIVEN.fullmatch(given.strip())
    if found is None:
        raise InvalidRequest("Idempotency-Key: 16 to 64 letters, digits, . _ ~ or -, in quotes.")
    told = request.path.encode() + b"\0" + request.get_data(cache=True)
    return Attempt(web.route_template(), found[2], hashlib.sha256(told).hexdigest())
