"""Swagger UI at /api/docs/, from local files, under a policy without inline code.

The package's own page starts Swagger UI by an inline script, so the page and the script are ours;
from the package come the bundle and its style only.
"""

from importlib.resources import files
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response

from ..errors import NotFound
from .page_files import policy, send

PAGE_POLICY = policy(img_src="'self' data:")  # the bundle's style holds its icons as data
_OURS = Path(str(files("carelink_api"))) / "static" / "docs"
_PACKAGE = Path(flask_swagger_ui.__file__).parent / "dist"
_FILES = {
    "docs.js": _OURS,
    "docs.css": _OURS,
    "swagger-ui-bundle.js": _PACKAGE,
    "swagger-ui.css": _PACKAGE,
    "favicon-32x32.png": _PACKAGE,
}

bp = Blueprint("docs", __name__, url_prefix="/api/docs")


@bp.get("/")
def page() -> Response:
    """Show the API's document, with a form to try each route."""
    return send(_OURS, "index.html", PAGE_POLICY)


@bp.get("/<name>")
def asset(name: str) -> Response:
    """Send one of the page's files. Raises NotFound for any other name."""
    folder = _FILES.get(name)
    if folder is None:
        raise NotFound()
    return send(folder, name, PAGE_POLICY)
