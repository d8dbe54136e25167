"""Probes, for machines. Not part of the API's document."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from ..extensions import db
from ..sessions.runtime import runtime
from .health import look

bp = Blueprint("ops", __name__)


# Two rules each: a probe follows no redirect.
@bp.get("/health/live")
@bp.get("/health/live/")
def live() -> ResponseReturnValue:
    """Say that the process serves. No store is asked, so no store's outage restarts it."""
    return jsonify(status="live")


@bp.get("/health/ready")
@bp.get("/health/ready/")
def ready() -> ResponseReturnValue:
    """Say whether this worker can serve: 200, or 503 with the store that it lacks."""
    readiness = look(db.session(), runtime())
    return jsonify(readiness.as_json()), 503 if readiness.status == "unavailable" else 200
