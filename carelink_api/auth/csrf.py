"""Whether a page may use the cookie that its browser sends along: double submit and `Origin`.

The value is an HMAC of the `sid`, so it fits one session and needs no place to be kept. It is
compared with the session in the cookie, not with the other cookie, which a subdomain could plant.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator

from flask import request

from ..extensions import settings

HEADER = "X-CareLink-CSRF"


def value_for(sid: str) -> str:
    """Return the CSRF value of a session."""
    return next(_values(sid))


def fits(sid: str) -> bool:
    """Say whether the request brings the session's CSRF value; compared in constant time.

    After a change of the secret the former one's counts, as long as it verifies tokens.
    """
    given = request.headers.get(HEADER, "").encode()
    return any(hmac.compare_digest(given, value.encode()) for value in _values(sid))


def is_from_good_origin() -> bool:
    """Say whether a page of this service, or of an origin listed by name, has sent the request.

    Without `Origin` it was no page: browsers send it with every POST (Fetch standard).
    """
    origin = request.environ.get("HTTP_ORIGIN", "").lower()
    return origin == _own_origin() or origin in settings().named_origins


def _own_origin() -> str:
    """Return this service's origin as the browser has addressed it.

    The `Host` is the browser's own word here: a name that somebody else points at this machine has
    no cookie of ours.
    """
    return f"{request.scheme}://{request.host}".lower()


def _values(sid: str) -> Iterator[str]:
    """Yield the session's value by each secret, the present one first."""
    for secret in settings().jwt_secrets:
        key = hmac.digest(secret.encode(), b"carelink csrf", hashlib.sha256)
        value = hmac.digest(key, sid.encode(), hashlib.sha256)
        yield base64.urlsafe_b64encode(value).rstrip(b"=").decode()
