"""Flask without what this service never uses and would pay for with every request.

Every hook, error handler and teardown runs as Flask runs it. What is left out: coroutines as views,
Flask's session, the signals around a request (nobody listens), finding out anew which hooks a
blueprint has, matching a path without parameters again, and writing an answer's headers twice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from flask import Flask, Request, Response, request
from flask.ctx import RequestContext
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule

from .bounded import BoundedCache

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_HOSTS_KEPT = 256
_CHANGED_WHEN_SENT = frozenset({"location", "content-location"})
_WITHOUT_BODY = frozenset({204, 304})


class NoFlaskSession(SessionInterface):
    """There is no session of Flask's: our cookies, where there are any, hold tokens."""

    none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self.none

    def is_null_session(self, obj: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Hooks:
    """What runs around the views of one blueprint, in the order in which it runs."""

    before: tuple[Callable[[], Any], ...]
    after: tuple[Callable[[Any], Any], ...]
    teardown: tuple[Callable[[Any], Any], ...]


class Answer(Response):
    """A response that is sent as it stands where nothing in it depends on the request."""

    @classmethod
    def of_json(cls, body: bytes) -> Self:
        headers = Headers()
        headers.add("Content-Type", "application/json")
        headers.add("Content-Length", str(len(body)))
        return cls([body], 200, headers)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if not self._is_plain(environ):
            return super().__call__(environ, start_response)
        start_response(self._status, self.headers.to_wsgi_list())
        return cast(list[bytes], self.response)

    def _is_plain(self, environ: "WSGIEnvironment") -> bool:
        """Return whether it is bytes whose length is said, for who asked for them."""
        body, says_length = self.response, False
        if type(body) is not list or len(body) != 1 or type(body[0]) is not bytes:
            return False
        if self._status_code < 200 or self._status_code in _WITHOUT_BODY or self._on_close:
            return False
        for name, _ in self.headers:
            lower = name.lower()
            if lower in _CHANGED_WHEN_SENT:
                return False
            says_length = says_length or lower == "content-length"
        return says_length and environ["REQUEST_METHOD"] != "HEAD"


class _Context(RequestContext):
    """A request's context that finds a path without parameters where it was found before."""

    app: "Service"

    def match_request(self) -> None:
        """Set the request's rule, or what is wrong with its path."""
        wanted = self.request
        if (rule := self.app.plain_rules.get((wanted.method, wanted.path))) is not None:
            wanted.url_rule, wanted.view_args = rule, {}
            return
        super().match_request()
        found = wanted.url_rule
        if found is not None and not wanted.view_args and found.rule == wanted.path:
            self.app.plain_rules[wanted.method, wanted.path] = found


class Service(Flask):
    """A Flask that judges a host once and keeps what it finds out about its routes."""

    response_class = Answer
    session_interface = NoFlaskSession()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._adapters: BoundedCache[tuple[str, str], MapAdapter] = BoundedCache(_HOSTS_KEPT)
        self._hooks: dict[str | None, _Hooks] = {}
        self.plain_rules: dict[tuple[str, str], Rule] = {}
        """Rules without parameters, by method and path: never more than there are."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is; the original looks for coroutines, several times a request."""
        return func

    def request_context(self, environ: "WSGIEnvironment") -> RequestContext:
        return _Context(self, environ, session=NoFlaskSession.none)

    def full_dispatch_request(self) -> Response:
        self._got_first_request = True
        try:
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:
            answer = self.handle_user_exception(error)
        return self.finalize_request(answer)

    def finalize_request(
        self, rv: ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> Response:
        if from_error_handler:
            return super().finalize_request(rv, from_error_handler)
        return self.process_response(self.make_response(rv))

    def preprocess_request(self) -> ResponseReturnValue | None:
        for act in self._around(_current()).before:
            if (answer := act()) is not None:
                return cast(ResponseReturnValue, answer)
        return None

    def process_response(self, response: Response) -> Response:
        ctx = _current()
        for act in ctx._after_request_functions:
            response = cast(Response, act(response))
        for act in self._around(ctx).after:
            response = act(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        for act in self._around(_current()).teardown:
            act(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        for act in reversed(self.teardown_appcontext_funcs):
            act(exc)

    def _around(self, ctx: RequestContext) -> _Hooks:
        wanted = ctx.request
        rule = wanted.url_rule
        endpoint = None if rule is None else rule.endpoint
        known = self._hooks.get(endpoint)
        if known is None:
            known = self._hooks[endpoint] = self._find_hooks(wanted.blueprints)
        return known

    def _find_hooks(self, blueprints: list[str]) -> _Hooks:
        inner, outer = [*blueprints, None], [None, *reversed(blueprints)]

        def preprocess_values() -> None:
            for name in outer:
                for act in self.url_value_preprocessors.get(name, ()):
                    act(request.endpoint, request.view_args)

        has_preprocessors = any(self.url_value_preprocessors.values())
        return _Hooks(
            before=(
                *((preprocess_values,) if has_preprocessors else ()),
                *(act for name in outer for act in self.before_request_funcs.get(name, ())),
            ),
            after=tuple(
                act for name in inner for act in reversed(self.after_request_funcs.get(name, ()))
            ),
            teardown=tuple(
                act for name in inner for act in reversed(self.teardown_request_funcs.get(name, ()))
            ),
        )

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the path: like the last one for this host, which Flask has made."""
        if request is None:
            named = self.config["SERVER_NAME"] is not None
            return super().create_url_adapter(None) if named else None
        environ = request.environ
        host, is_plain = environ.get("HTTP_HOST"), not environ.get("SCRIPT_NAME")
        if not host or not is_plain or "HTTP_UPGRADE" in environ:
            return super().create_url_adapter(request)
        name = (host, environ["wsgi.url_scheme"])
        known = self._adapters.get(name)
        if known is None:
            known = super().create_url_adapter(request)
            if known is not None:
                self._adapters.put(name, known)
            return known
        return MapAdapter(
            self.url_map,
            known.server_name,
            known.script_name,
            known.subdomain,
            known.url_scheme,
            _text(environ["PATH_INFO"]),
            environ["REQUEST_METHOD"],
            _text(environ.get("QUERY_STRING", "")),
        )


def _current() -> RequestContext:
    return cast(RequestContext, request_ctx._get_current_object())  # type: ignore[attr-defined]


def _text(native: str) -> str:
    """Read what WSGI hands over as if it were Latin-1 (PEP 3333)."""
    return native if native.isascii() else native.encode("latin-1").decode(errors="replace")
