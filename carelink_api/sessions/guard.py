"""The guard: the one place that lets an authenticated request in.

One signature check (or a look into the verified-token cache) and at most one Redis round trip: none
where memory may answer alone. No SQL unless the pulse is late. The table stands in
`docs/design.md`, section 5.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

from flask import request

from .. import metrics, web
from ..errors import BEARER, InvalidRequest, NotAuthenticated, TokenNotValid, Unavailable
from .claims import AccessClaims
from .denylist import Denylist, DenylistUnavailable
from .listening import Hearing
from .pulse import Pulse
from .reasons import EndReason, public_reason
from .runtime import runtime

View = TypeVar("View", bound=Callable[..., Any])
CLAIMS = "carelink.claims"
"""In the WSGI environment, beside what `web` puts there: the access token's, once it is in."""
BACKGROUND_HEADER = "HTTP_X_CARELINK_BACKGROUND"


class Guard:
    """Decides whether a verified token's session still stands."""

    def __init__(
        self,
        denylist: Denylist,
        pulse: Pulse,
        look: Callable[[], bool],
        hearing: Hearing | None = None,
    ) -> None:
        self._denylist = denylist
        self._pulse = pulse
        self._look = look
        """Makes the pulse look into SQL now; returns whether it did."""
        self._hearing = hearing
        """None: Redis is asked every time."""

    def refusal(self, token: AccessClaims, now: datetime) -> str | None:
        """Return the public reason for which the token is refused, or None: it is clean.

        Raises Unavailable where nobody can tell.
        """
        alone = self._memory_is_enough(token.sid)  # first: memory must be no older than this
        if (remembered := self._remembered(token, now)) or alone:
            return _counted("memory", remembered)
        try:
            listed = self._denylist.find(token.sid, token.jti)
            redis_answers = True
        except DenylistUnavailable:
            listed, redis_answers = None, False
        if listed:
            return _counted("redis", public_reason(listed))
        if self._pulse.is_fresh():  # again: it may have beaten since the first look
            return _counted("redis" if redis_answers else "memory", self._remembered(token, now))
        if self._look():
            return _counted("sql", self._remembered(token, now))
        if redis_answers:
            return _counted("redis", None)
        metrics.count_guard("none", "unavailable")
        raise Unavailable()

    def _memory_is_enough(self, sid: str) -> bool:
        hearing = self._hearing
        return hearing is not None and self._pulse.is_settled() and hearing.vouches_for(sid)

    def _remembered(self, token: AccessClaims, now: datetime) -> str | None:
        if self._pulse.refuses_login_at(token.auth_time):
            return EndReason.REVOKED
        return self._pulse.find(token.sid, now)


def _counted(source: str, refused: str | None) -> str | None:
    metrics.count_guard(source, "refused" if refused else "clean")
    return refused


def authenticated(view: View) -> View:
    """Let a view run only with a good access token; the call counts as the user's activity.

    Raises NotAuthenticated, InvalidRequest, TokenNotValid, Unavailable.
    """
    return _guarded(view, user_caused=True)


def polling(view: View) -> View:
    """Like `authenticated`, for a route that clients call by themselves: no activity."""
    return _guarded(view, user_caused=False)


def claims() -> AccessClaims:
    """Return the claims of the current request's access token."""
    return cast(AccessClaims, request.environ[CLAIMS])


def _guarded(view: View, *, user_caused: bool) -> View:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _admit(user_caused=user_caused)
        return view(*args, **kwargs)

    return cast(View, guarded)


def _admit(*, user_caused: bool) -> None:
    environ, parts = request.environ, runtime()
    token = _bearer(environ)
    if token is None:
        raise NotAuthenticated()
    ring = parts.ring()
    found = parts.verify_access(token)
    now = environ[web.ARRIVED]
    if reason := parts.guard.refusal(found, now):
        raise TokenNotValid(reason)
    if parts.ring() is not ring:  # the look into SQL may have told that its key is gone
        parts.verify_access(token)
    environ[CLAIMS], environ[web.ROLE] = found, found.user_type
    background = environ.get(BACKGROUND_HEADER, "").strip() == "1"
    parts.activity.note(
        found.sid, found.generation, now.timestamp(), active=user_caused and not background
    )


def bearer_token() -> str | None:
    """Return the bearer token of the Authorization header; None where there is no such credential.

    Raises InvalidRequest for two credentials at once (RFC 6750 §3.1). The scheme is
    case-insensitive (RFC 9110 §11.1).
    """
    return _bearer(request.environ)


def _bearer(environ: Mapping[str, Any]) -> str | None:
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, credential = header.partition(" ")
    credential = credential.strip()
    if "," in header or " " in credential:
        raise InvalidRequest(
            "Send one credential in one Authorization header.",
            headers={"WWW-Authenticate": f'{BEARER}, error="invalid_request"'},
        )
    if scheme.lower() != "bearer" or not credential:
        return None
    return credential
