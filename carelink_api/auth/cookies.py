"""The two cookies of a session whose refresh token no script may see.

The browser holds the token (HttpOnly) and, beside it, the value that a page sends back as
`X-CareLink-CSRF`. Both carry the prefix `__Host-`: no subdomain and no plain http can set them.
"""

from collections.abc import Iterator
from datetime import datetime

from flask import request
from werkzeug.http import dump_cookie

from ..errors import InvalidRequest

REFRESH = "__Host-carelink_refresh"
CSRF = "__Host-carelink_csrf"


def refresh_token() -> str | None:
    """Return the refresh token that the browser has sent along; None where there is no cookie.

    Raises InvalidRequest for two of them: no browser has two, so another hand is in it.
    """
    found = [value for name, value in _pairs() if name == REFRESH]
    if len(found) > 1:
        raise InvalidRequest("Send one cookie with a refresh token, not two.")
    return found[0] if found else None


def holding(token: str, csrf: str, *, now: datetime, expires_at: datetime) -> list[str]:
    """Return the `Set-Cookie` headers with which the browser keeps a token and its CSRF value."""
    return [
        _cookie(REFRESH, token, now, expires_at, http_only=True),
        _cookie(CSRF, csrf, now, expires_at, http_only=False),
    ]


def cleared(now: datetime) -> list[str]:
    """Return the `Set-Cookie` headers with which the browser forgets both."""
    return [
        _cookie(REFRESH, "", now, now, http_only=True),
        _cookie(CSRF, "", now, now, http_only=False),
    ]


def _cookie(name: str, value: str, now: datetime, expires_at: datetime, *, http_only: bool) -> str:
    return dump_cookie(
        name,
        value,
        max_age=max(0, int((expires_at - now).total_seconds())),  # whatever the browser's clock is
        expires=expires_at,
        secure=True,
        httponly=http_only,
        samesite="Strict",
        max_size=0,  # a refresh token has a known size, and who is asked must not warn
    )


def _pairs() -> Iterator[tuple[str, str]]:
    """Yield name and value of each cookie, as browsers write them (RFC 6265 §4.2.1).

    Werkzeug's reading strips every blank that Unicode knows from a name: a subdomain can set a
    cookie of such a name, which is not protected by its prefix, and it would pass for ours.
    """
    for part in request.environ.get("HTTP_COOKIE", "").split(";"):
        name, equals, value = part.strip(" \t").partition("=")
        if equals:
            yield name, value
