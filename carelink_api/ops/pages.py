"""The ward workstation at /, the operations console at /ops/, and the files that both are made of.

Nothing here is secret and nothing is rendered: every value on these pages comes from the API.
"""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from ..errors import NotFound
from .page_files import policy, send

PAGE_POLICY = policy(require_trusted_types_for="'script'", trusted_types="'none'")
"""No script may make markup or code of a text, wherever that came from."""
_FOLDER = Path(str(files("carelink_api"))) / "static"
_SENT = frozenset((".css", ".js", ".svg"))

bp = Blueprint("pages", __name__)


@bp.get("/")
def home() -> ResponseReturnValue:
    """Show the ward workstation to a browser, and to any other client what is where."""
    kinds = ("application/json", "text/html")
    page = request.accept_mimetypes.best_match(kinds) == "text/html"
    answer = _page("ward.html") if page else _links()
    answer.vary.add("Accept")
    return answer


@bp.get("/ops/")
def operations() -> ResponseReturnValue:
    """Show the operations console."""
    return _page("ops.html")


@bp.get("/static/<path:name>")
def asset(name: str) -> ResponseReturnValue:
    """Send a style, script or picture. Raises NotFound for anything else."""
    if Path(name).suffix not in _SENT:
        raise NotFound()
    return send(_FOLDER, name, PAGE_POLICY)


def _page(name: str) -> Response:
    answer = send(_FOLDER, name, PAGE_POLICY)
    # Not kept for the way back, where the next user of a workstation would find it alive.
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _links() -> Response:
    return jsonify(
        name="CareLink API",
        pages={"ward": "/", "operations": "/ops/"},
        docs="/api/docs/",
        openapi="/api/openapi.json",
        health={"live": "/health/live/", "ready": "/health/ready/"},
    )
