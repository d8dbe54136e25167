"""What surrounds every request: path, request id, clock, https, headers, CORS, one log line."""

import os
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from random import Random
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, has_request_context, request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from . import clock
from .answered import Answered, Telling
from .config import Settings
from .errors import REQUEST_ID, HttpsRequired

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ARRIVED = "carelink.arrived"
"""In the WSGI environment: when the request arrived. Beside it stands its REQUEST_ID."""
ROLE = "carelink.role"
"""There, too: the user type of who asks, once it is known."""
Headers = list[tuple[str, str]]
Hook = Callable[[Response], Response]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_PROBES = ("/health/live/", "/health/ready/", "/health/live", "/health/ready", "/metrics")
_LOCALHOST = re.compile(r"https?://(localhost|127\.0\.0\.1)(:\d{1,5})?\Z")
_EXPOSED = ["Date", "Retry-After", "WWW-Authenticate", "X-Request-ID", "ETag"]
_HEADERS = (
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
_UNLESS_GIVEN = tuple(
    (name.lower(), (name, value))
    for name, value in (
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        ("Cache-Control", "no-store"),
    )
)
_OF_JSON = ["Content-Type", "Content-Length"]
_AROUND_JSON = (*_HEADERS, *(header for _, header in _UNLESS_GIVEN), ("Vary", "Origin"))
_NO_ROUTE = "(none)"
_ACT_EVERY = timedelta(seconds=0.25)
_IPV6_HOST_PREFIX = 64


@dataclass(frozen=True)
class Origin:
    """Where a request came from, for the audit trail."""

    request_id: str | None = None
    address: str | None = None
    route: str | None = None
    role: str | None = None


def origin() -> Origin:
    """Return the current request's origin; all None outside a request (CLI, housekeeper)."""
    if not has_request_context():
        return Origin()
    environ = request.environ
    return Origin(environ[REQUEST_ID], address(), route_template(), environ.get(ROLE))


def note_role(user_type: str) -> None:
    """Let the events of this request say as what somebody acts; outside a request, nothing."""
    if has_request_context():
        request.environ[ROLE] = user_type


def address() -> str | None:
    """Return the client's IP address; None for what is none, such as a proxy's `unknown`."""
    try:
        return str(ip_address((request.remote_addr or "").partition("%")[0]))
    except ValueError:
        return None


def host() -> str | None:
    """Return what counts as one address: of IPv6 a whole /64, since one host has all of it."""
    given = address()
    if given is None:
        return None
    found = ip_address(given)
    if isinstance(found, IPv4Address):
        return given
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), _IPV6_HOST_PREFIX), strict=False).network_address)


def now() -> datetime:
    """Return when the current request arrived: the one `now` of everything it does."""
    return cast(datetime, request.environ[ARRIVED])


def route_template() -> str:
    """Return the route with its parameters unfilled: ids may be patients'."""
    return _route(request.environ)


class Edge:
    """What every request passes, whatever becomes of it: path, clock, id, headers and log line.

    A middleware and not a set of Flask's hooks: it costs a tenth of them, and covers the answers
    that no hook sees.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        telling: Telling,
        on_arrival: Iterable[Callable[[], None]] = (),
    ) -> None:
        self._app = app
        self._telling = telling
        self._on_arrival = tuple(on_arrival)
        self._acted_at = datetime.min.replace(tzinfo=UTC)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        arrived = environ[ARRIVED] = clock.now()
        if not self._acted_at <= arrived < self._acted_at + _ACT_EVERY:
            self._act(arrived)
        given = environ.get("HTTP_X_REQUEST_ID")
        request_id = given if given and _REQUEST_ID.match(given) else _new_request_id()
        environ[REQUEST_ID] = request_id
        of_api = _add_slash(environ)

        def respond(
            status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
        ) -> Callable[[bytes], Any]:
            _complete(headers, of_api=of_api)
            headers.append(("X-Request-ID", request_id))
            left, method = clock.now(), environ["REQUEST_METHOD"]
            seconds, code = (left - arrived).total_seconds(), int(status[:3])
            self._telling.note(Answered(left, seconds, method, _route(environ), code, request_id))
            return start_response(status, headers, exc_info)

        return self._app(environ, respond)

    def _act(self, arrived: datetime) -> None:
        self._acted_at = arrived
        for act in self._on_arrival:
            act()


_chance = Random()  # noqa: S311
"""Not the one that everybody shares: whoever seeds that would have ids come twice."""
os.register_at_fork(after_in_child=_chance.seed)


def _new_request_id() -> str:
    """Return 16 characters that no other request has had; no secret, so nobody need not guess it.

    The system's generator would let go of the interpreter: another thread runs first then.
    """
    return b64encode(_chance.getrandbits(96).to_bytes(12, "big"), b"-_").decode("ascii")


def _add_slash(environ: "WSGIEnvironment") -> bool:
    """Add the slash that a path under /api/ lacks; return whether it is under /api/.

    So both ways answer, without a redirect (`strict_slashes=False` would turn 405 into 404). A
    last segment with a dot is a file. Routing reads `//` at the start as `/`, so we do.
    """
    path = environ.get("PATH_INFO", "")
    if path[:1] != "/" or path[1:2] == "/":
        path = environ["PATH_INFO"] = "/" + path.lstrip("/")
    if not path.startswith("/api/"):
        return False
    if path[-1] != "/" and "." not in path.rpartition("/")[2]:
        environ["PATH_INFO"] = path + "/"
    return True


def _complete(headers: Headers, *, of_api: bool) -> None:
    """Add the headers that every answer carries, and those that it has not set itself."""
    if of_api and [name for name, _ in headers] == _OF_JSON:  # as nearly all of them
        headers += _AROUND_JSON
        return
    given = {name.lower(): i for i, (name, _) in enumerate(headers)}
    headers += _HEADERS
    headers += [header for name, header in _UNLESS_GIVEN if name not in given]
    if of_api:  # also where no origin was sent, or one not admitted
        if (place := given.get("vary")) is None:
            headers.append(("Vary", "Origin"))
        elif "origin" not in headers[place][1].lower():
            headers[place] = ("Vary", f"{headers[place][1]}, Origin")


def _route(environ: "WSGIEnvironment") -> str:
    found = environ.get("werkzeug.request")
    return found.url_rule.rule if found is not None and found.url_rule else _NO_ROUTE


def init_app(
    app: Flask,
    settings: Settings,
    telling: Telling,
    *,
    on_arrival: Iterable[Callable[[], None]] = (),
) -> None:
    """Put the middlewares and hooks around `app`; `on_arrival` is called with the first request and
    now and then.
    """
    app.url_map.merge_slashes = False
    app.wsgi_app = Edge(app.wsgi_app, telling, on_arrival)  # type: ignore[method-assign]
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    if settings.is_production:
        app.before_request(_require_https)
    _share_with(
        app,
        list(settings.cors_origins) or ([] if settings.is_production else [_LOCALHOST]),
        with_credentials=settings.named_origins,
    )


def _share_with(app: Flask, origins: list[Any], *, with_credentials: frozenset[str]) -> None:
    """Let pages of these origins call the API (CORS), some of them with their cookies.

    A pattern never admits cookies: they belong to a host, and every port of localhost is one.
    """
    hooks = app.after_request_funcs.setdefault(None, [])
    before = len(hooks)
    CORS(
        app,
        resources=r"/api/.*",
        origins=origins,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match",
                       "X-CareLink-Background", "X-CareLink-CSRF", "X-Request-ID"],
        expose_headers=_EXPOSED,
        supports_credentials=True,
        always_send=False,  # else an answer to no browser at all would list every origin
        max_age=600,
    )  # fmt: skip
    added = hooks[before:]
    hooks[before:] = [_if_cross_origin(cast(Hook, hook), with_credentials) for hook in added]


def _if_cross_origin(hook: Hook, with_credentials: frozenset[str]) -> Hook:
    """Ask the library only where an origin was sent: it takes as long as a Redis round trip."""

    def after(response: Response) -> Response:
        if (origin := request.environ.get("HTTP_ORIGIN")) is None:
            return response
        response = hook(response)
        if origin.lower() not in with_credentials:
            response.headers.pop("Access-Control-Allow-Credentials", None)
        return response

    return after


def _require_https() -> None:
    if not request.is_secure and request.path not in _PROBES:
        raise HttpsRequired()  # never a redirect: the first request has sent the secret already
