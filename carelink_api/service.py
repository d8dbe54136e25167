"""Flask without what this service never uses and would pay for with every request."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from werkzeug.routing import MapAdapter

from .bounded import BoundedCache

_HOSTS_KEPT = 256


class Service(Flask):
    """No coroutines as views, and a host that is judged once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._adapters: BoundedCache[tuple[str, str], MapAdapter] = BoundedCache(_HOSTS_KEPT)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is; the original looks for coroutines, several times a request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the path: like the last one for this host, which Flask has made."""
        if request is None:
            return super().create_url_adapter(None)
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


def _text(native: str) -> str:
    """Read what WSGI hands over as if it were Latin-1 (PEP 3333)."""
    return native if native.isascii() else native.encode("latin-1").decode(errors="replace")
