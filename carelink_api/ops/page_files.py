"""How the files of a page are sent: none of them from, into or beside another origin."""

from pathlib import Path

from flask import Response, send_from_directory

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
}


def policy(**directives: str) -> str:
    """Return a Content-Security-Policy that allows what is given and nothing else.

    No page of ours loads anything from elsewhere, carries code or style inline, is framed, or
    sends a form by itself: without its script a password would stand in the address.
    """
    allowed = {
        "default_src": "'none'",
        "script_src": "'self'",
        "style_src": "'self'",
        "img_src": "'self'",
        "connect_src": "'self'",
        "frame_ancestors": "'none'",
        "base_uri": "'none'",
        "form_action": "'none'",
    } | directives
    return "; ".join(f"{name.replace('_', '-')} {value}" for name, value in allowed.items())


def send(folder: Path, name: str, content_policy: str) -> Response:
    """Send a file that is asked for again by its ETag (`no-cache`). Raises NotFound."""
    response = send_from_directory(folder, name)
    response.headers["Content-Security-Policy"] = content_policy
    response.headers.update(_HEADERS)
    return response
