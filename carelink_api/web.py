"""What surrounds every request: path, request id, clock, https, headers, CORS, one log line."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

import structlog
from flask import Flask, Response, g, has_request_context, request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from . import clock
from .config import Settings
from .errors import HttpsRequired

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger("carelink.request")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_PROBES = ("/health/live/", "/health/ready/", "/health/live", "/health/ready", "/metrics")
_LOCALHOST = re.compile(r"https?://(localhost|127\.0\.0\.1)(:\d{1,5})?\Z")
_EXPOSED = ["Date", "Retry-After", "WWW-Authenticate", "X-Request-ID", "ETag"]
_HEADERS = (
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
_UNLESS_GIVEN = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ("Cache-Control", "no-store"),
)


@dataclass(frozen=True)
class Origin:
    """Where a request came from, for the audit trail."""

    request_id: str | None = None
    address: str | None = None
    route: str | None = None


def origin() -> Origin:
    """Return the current request's origin; all None outside a request (CLI, housekeeper)."""
    if not has_request_context():
        return Origin()
    return Origin(g.request_id, address(), route_template())


def address() -> str | None:
    """Return the client's IP address; None for what is none, such as a proxy's `unknown`."""
    try:
        return str(ip_address((request.remote_addr or "").partition("%")[0]))
    except ValueError:
        return None


def now() -> datetime:
    """Return when the current request arrived: the one `now` of everything it does."""
    return cast(datetime, g.now)


def route_template() -> str:
    """Return the route with its parameters unfilled: ids may be patients'."""
    return request.url_rule.rule if request.url_rule else "(none)"


class TrailingSlash:
    """Adds the slash that a path under /api/ lacks, so that both ways answer, no redirect.

    A last segment with a dot is a file. (`strict_slashes=False` would turn 405 into 404.)
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self.app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/api/") and path[-1] != "/" and "." not in path.rpartition("/")[2]:
            environ["PATH_INFO"] = path + "/"
        return self.app(environ, start_response)


def init_app(app: Flask, settings: Settings) -> None:
    """Put the middlewares and hooks around `app`."""
    app.url_map.merge_slashes = False
    app.wsgi_app = TrailingSlash(app.wsgi_app)  # type: ignore[method-assign]
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    app.before_request(_require_https if settings.is_production else _arrive)
    app.after_request(_depart)
    CORS(
        app,
        resources=r"/api/.*",
        origins=list(settings.cors_origins) or ([] if settings.is_production else [_LOCALHOST]),
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "X-CareLink-Background",
                       "X-Request-ID"],
        expose_headers=_EXPOSED,
        supports_credentials=True,
        always_send=False,  # else an answer to no browser at all would list every origin
        max_age=600,
    )  # fmt: skip


def _arrive() -> None:
    g.now = clock.now()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.match(given) else secrets.token_urlsafe(12)


def _require_https() -> None:
    _arrive()
    if not request.is_secure and request.path not in _PROBES:
        raise HttpsRequired()  # never a redirect: the first request has sent the secret already


def _depart(response: Response) -> Response:
    headers = response.headers
    for name, value in _HEADERS:
        headers.add(name, value)
    for name, value in _UNLESS_GIVEN:
        if name not in headers:
            headers.add(name, value)
    if request.path.startswith("/api/"):  # also where no origin was sent, or one not admitted
        if "Vary" in headers:
            response.vary.add("Origin")
        else:
            headers.add("Vary", "Origin")
    if "request_id" not in g:  # refused before the hooks ran
        _arrive()
    headers.add("X-Request-ID", g.request_id)
    log.info(
        "request",
        method=request.method,
        route=route_template(),
        status=response.status_code,
        ms=round((clock.now() - g.now).total_seconds() * 1000, 2),
        request_id=g.request_id,
    )
    return response
