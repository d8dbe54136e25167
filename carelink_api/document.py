"""The OpenAPI document: what this service really answers, its problems among it."""

from http import HTTPStatus
from threading import RLock
from typing import Any

import marshmallow as ma
from flask import Flask
from flask_smorest import Api, Blueprint

from .api import Time

_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
"""What a problem always carries, by its status."""
_HEADER_SCHEMAS: dict[str, dict[str, Any]] = {
    "Retry-After": {"type": "integer", "minimum": 1, "description": "Seconds."},
    "WWW-Authenticate": {"type": "string", "pattern": "^Bearer "},
    "X-Request-ID": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
}


class ProblemSchema(ma.Schema):
    """RFC 9457 problem details, as `errors.problem` builds them."""

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(required=True, metadata={"description": "Stable; act on this."})
    request_id = ma.fields.String(required=True)
    reason = ma.fields.String(
        metadata={"description": "Why a validly signed token was refused."},
        validate=ma.validate.OneOf(
            [
                "expired",
                "revoked",
                "reused",
                "session_expired",
                "idle",
                "shift_ended",
                "user_disabled",
            ]
        ),
    )
    errors = ma.fields.Dict(
        keys=ma.fields.String(),
        metadata={"description": "With 422: each field and what is wrong with it."},
    )
    next_shift_starts_at = Time(
        allow_none=True,
        metadata={"description": "With outside_shift: when the next shift starts; null: none."},
    )
    error = ma.fields.String(metadata={"description": "With 400 at logout: Invalid token."})
    selected = ma.fields.Integer(
        metadata={"description": "With selection_grew: how many sessions match now."}
    )


class CareLinkApi(Api):
    """Flask-smorest's API, whose document says what this service really answers."""

    ERROR_SCHEMA = ProblemSchema

    def __init__(self) -> None:
        self._documenting = RLock()
        self._undocumented: list[tuple[Flask, Blueprint]] = []
        self._has_problems = False
        super().__init__()

    def register_blueprint(self, blueprint: Blueprint, **_: Any) -> None:
        """Register the routes now, and what documents them when the document is asked for.

        That takes longer than all the rest of the start, and few processes ever show it.
        """
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint)
        self._undocumented.append((self._app, blueprint))

    @property
    def spec(self) -> Any:
        """The document, whole."""
        with self._documenting:
            if self._undocumented and not self._has_problems:
                self._has_problems = True
                self._register_problems()
            while self._undocumented:
                app, blueprint = self._undocumented.pop(0)
                name, about = blueprint.name, blueprint.description
                blueprint.register_views_in_doc(self, app, self._spec, name=name, parameters=None)
                self._spec.tag({"name": name, "description": about})
            return self._spec

    @spec.setter
    def spec(self, fresh: Any) -> None:
        with self._documenting:
            self._undocumented.clear()  # another application's
            self._has_problems = False
            self._spec = fresh

    def _register_error_handlers(self) -> None:
        """Leave the errors to `errors.register`."""

    def _register_responses(self) -> None:
        """Leave them to `spec`."""

    def _register_problems(self) -> None:
        """Register a problem for each error status, with the headers that it carries."""
        for status in HTTPStatus:
            if status >= HTTPStatus.BAD_REQUEST:
                self._register_problem(status.name, status.phrase, _HEADERS.get(status))
        self._register_problem(self.DEFAULT_ERROR_RESPONSE_NAME, "Any other problem")

    def _register_problem(self, name: str, text: str, header: str | None = None) -> None:
        carried = [header, "X-Request-ID"] if header else ["X-Request-ID"]
        headers = {each: {"required": True, "schema": _HEADER_SCHEMAS[each]} for each in carried}
        content = {"application/problem+json": {"schema": self.ERROR_SCHEMA}}
        problem = {"description": text, "headers": headers, "content": content}
        self._spec.components.response(name, problem, lazy=True)

    def _register_pagination_header(self) -> None:
        """Leave it out: lists are paged in their bodies."""

    def init_app(self, app: Flask, *, spec_kwargs: dict[str, Any] | None = None) -> None:
        super().init_app(app, spec_kwargs=spec_kwargs)
        components = self._spec.components  # not `spec`: that would document it all
        components.security_scheme(
            "accessToken", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        )
        components.security_scheme(
            "refreshCookie",
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "__Host-carelink_refresh",
                "description": "Set by a login with transport `cookie`. Needs X-CareLink-CSRF, "
                "and an Origin that is this service's own or one of CARELINK_CORS_ORIGINS.",
            },
        )
