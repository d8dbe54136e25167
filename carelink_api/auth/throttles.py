"""How often the token endpoints may be asked (`docs/design.md`, section 8).

Moving windows in Redis; in this process's memory while Redis does not answer. Flask-Limiter's
hooks run on the auth blueprint only: elsewhere they would cost every request their time, and hang
with Redis.
"""

import base64
import hashlib
import hmac
import math
from typing import cast

import structlog
from flask import Blueprint, Flask, Response, current_app, g
from flask_limiter import RateLimitExceeded
from sqlalchemy.exc import SQLAlchemyError

from .. import metrics, redis_client, web
from ..accounts.service import normalise_email
from ..audit.events import Event, Outcome
from ..audit.record import record
from ..config import Settings
from ..database import writing
from ..errors import Throttled, answer
from ..extensions import db, limiter
from ..extensions import settings as current_settings
from .refusal_counts import EXTENSION, RefusalCounts, Refused

log = structlog.get_logger(__name__)

PREFIX = "carelink:limits"
_HOOKS = ("before_request_funcs", "after_request_funcs", "teardown_request_funcs")


def init_app(app: Flask, settings: Settings, client: redis_client.Client, blueprint: str) -> None:
    """Bind the limiter, with its hooks on one blueprint."""
    uri, options = redis_client.limiter_storage(settings.redis_url, client)
    app.config.update(
        RATELIMIT_ENABLED=settings.ratelimit_enabled,
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_STORAGE_URI=uri,
        RATELIMIT_STORAGE_OPTIONS=options | {"key_prefix": PREFIX},
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_SWALLOW_ERRORS=True,  # where even the fallback fails: logged, and let through
    )
    limiter._storage_options.clear()  # it would keep those of a former application's server
    before = {hook: len(getattr(app, hook)[None]) for hook in _HOOKS}
    limiter.init_app(app)
    for hook, count in before.items():
        everywhere = getattr(app, hook)[None]
        getattr(app, hook)[blueprint].extend(everywhere[count:])
        del everywhere[count:]


def register_errors(blueprint: Blueprint) -> None:
    """Answer and audit what the limits refuse."""
    blueprint.register_error_handler(RateLimitExceeded, _refuse_limited)
    blueprint.register_error_handler(Throttled, _refuse_throttled)


def _address() -> str:
    return web.host() or "unknown"


def _account_and_address() -> str:
    return f"{g.throttled_account}:{_address()}"


def _subject() -> str:
    return cast(str, g.throttled_subject)


def _was_refused(response: Response) -> bool:
    return response.status_code == 401


@limiter.shared_limit("5/minute", scope="login", key_func=_account_and_address)
@limiter.shared_limit(
    "20/minute", scope="login-refused", key_func=_address, deduct_when=_was_refused
)
@limiter.shared_limit("300/minute", scope="login-all", key_func=_address)
def _count_login() -> None:
    """Does nothing itself: calling it counts."""


@limiter.shared_limit("600/minute", scope="token", key_func=_address)
def count_token_request() -> None:
    """Count a refresh, logout or verification by address. Raises RateLimitExceeded."""


@limiter.shared_limit("120/minute", scope="session", key_func=_subject)
def _count_session() -> None:
    """Does nothing itself: calling it counts."""


@limiter.shared_limit("5/minute", scope="password", key_func=_subject)
def _count_password() -> None:
    """Does nothing itself: calling it counts."""


def count_login(email: str) -> None:
    """Count a login by account and address. Raises RateLimitExceeded.

    The account enters the key as an HMAC of its one form, so that neither spelling dodges the
    limit nor Redis holds an address (ASVS 14.2.4).
    """
    secret = current_settings().jwt_secret_key.get_secret_value().encode()
    digest = hmac.digest(secret, b"throttle:" + _encoded(normalise_email(email)), hashlib.sha256)
    g.throttled_account = base64.urlsafe_b64encode(digest[:12]).decode()
    _count_login()


def count_session(sid: str) -> None:
    """Count a refresh of one session, its signature verified. Raises RateLimitExceeded."""
    g.throttled_subject = sid
    _count_session()


def count_password(user_id: int) -> None:
    """Count a password change of one user. Raises RateLimitExceeded."""
    g.throttled_subject = f"user-{user_id}"
    _count_password()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _refuse_limited(error: RateLimitExceeded) -> Response:
    return _refuse_throttled(Throttled(_seconds_left()), limit=str(error.limit.limit))


def _refuse_throttled(error: Throttled, limit: str = "password hashes at once") -> Response:
    counts: RefusalCounts = current_app.extensions[EXTENSION]
    refused = Refused(Event.TOKEN_THROTTLED, "throttled", web.route_template(), _address(), limit)
    if not counts.is_first(refused, web.now()):
        metrics.count_event(Event.TOKEN_THROTTLED, Outcome.REFUSED)
        return answer(error)
    try:
        with writing(db.session()) as sql:
            record(
                sql,
                Event.TOKEN_THROTTLED,
                now=web.now(),
                outcome=Outcome.REFUSED,
                reason="throttled",
                limit=limit,
            )
    except SQLAlchemyError as failure:  # the refusal stands, whether or not it can be audited
        log.error("throttling_not_audited", kind=type(failure).__name__)
    return answer(error)


def _seconds_left() -> int:
    current = limiter.current_limit
    if current is None:
        return 60
    return max(1, math.ceil(current.reset_at - web.now().timestamp()))
