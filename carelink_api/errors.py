"""The error tree and its one shape on the wire: RFC 9457 `application/problem+json`.

A class per thing that a caller can do differently. `code`, `title` and `detail` are public and
stable; what went wrong inside goes to the log under the request id, never into an answer
(ASVS 16.5.1).
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from flask import Flask, Response, request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from . import metrics

log = structlog.get_logger(__name__)

_READ_ONLY = "25006"
"""PostgreSQL's SQLSTATE of a server that takes no writes: a replica, before or after a failover."""
BEARER = 'Bearer realm="carelink"'
REQUEST_ID = "carelink.request_id"
"""In the WSGI environment: the id under which this request is logged and audited."""


class CareLinkError(Exception):
    """Root of the tree. Never raised itself."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    detail: str = "The request failed here. Quote the request id when you report it."

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.detail = detail or type(self).detail
        self.headers: dict[str, str | list[str]] = dict(headers or {})
        self.members = members
        """Extension members of the problem (RFC 9457 §3.2): `reason`, `errors`, `error`."""
        super().__init__(self.code)


class InvalidRequest(CareLinkError):
    status, code, title = 400, "invalid_request", "Invalid request"
    detail = "The request cannot be understood."


class MalformedBody(InvalidRequest):
    code, title = "malformed_body", "Malformed body"
    detail = "The body is not JSON that can be read."


class NotATokenOfOurs(InvalidRequest):
    """Log out was given something that this service never issued."""

    code, title = "invalid_token", "Invalid token"
    detail = "That is not a token of this service."

    def __init__(self) -> None:
        super().__init__(error="Invalid token")


class NotAuthenticated(CareLinkError):
    """No credential at all: a bare challenge without an error code (RFC 6750 §3.1)."""

    status, code, title = 401, "not_authenticated", "Not authenticated"
    detail = "Send an access token: Authorization: Bearer <token>."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": BEARER})


class TokenNotValid(CareLinkError):
    """A token was refused. `reason` is told only to the holder of a validly signed one."""

    status, code, title = 401, "token_not_valid", "Token not valid"
    detail = "The token is not valid. Refresh it, or log in again."

    def __init__(self, reason: str | None = None) -> None:
        members = {"reason": reason} if reason else {}
        challenge = f'{BEARER}, error="invalid_token"'
        super().__init__(headers={"WWW-Authenticate": challenge}, **members)


class InvalidCredentials(CareLinkError):
    """Unknown user, wrong password, wrong user type, disabled, blocked: all the same outside."""

    status, code, title = 401, "invalid_credentials", "Invalid credentials"
    detail = "No account matches these credentials."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": BEARER})


class Forbidden(CareLinkError):
    status, code, title = 403, "forbidden", "Forbidden"
    detail = "This account may not do that."


class OutsideShift(Forbidden):
    """A right credential at a time that no shift covers; told only to who has proved to be hers."""

    code, title = "outside_shift", "Outside the shift"
    detail = "There is no shift now. next_shift_starts_at says when the next one starts, if any."

    def __init__(self, next_starts_at: str | None) -> None:
        super().__init__(next_shift_starts_at=next_starts_at)


class PasswordChangeRequired(Forbidden):
    """A right password that somebody else knows, too; told only to who has given it."""

    code, title = "password_change_required", "Password change required"
    detail = "The password is to be changed first: log in once more, with new_password beside it."


class CsrfFailed(Forbidden):
    """The cookie came along, but not the proof that a page of ours has sent it."""

    code, title = "csrf_failed", "CSRF check failed"
    detail = (
        "With the cookie send X-CareLink-CSRF with this session's value, from a page of this "
        "origin or of one that is listed. Nothing was changed."
    )


class HttpsRequired(Forbidden):
    code, title = "https_required", "HTTPS required"
    detail = "Use https: this service does not answer on plain http."


class NotFound(CareLinkError):
    status, code, title = 404, "not_found", "Not found"
    detail = "There is nothing here, or nothing that this account may see."


class Conflict(CareLinkError):
    status, code, title = 409, "conflict", "Conflict"
    detail = "The state has changed meanwhile. Read it again."


class PreconditionFailed(CareLinkError):
    """`If-Match` names another version than the present one."""

    status, code, title = 412, "precondition_failed", "Precondition failed"
    detail = "It has been changed meanwhile. Read it again, and send its ETag as If-Match."


class PreconditionRequired(CareLinkError):
    """A change without `If-Match` (RFC 6585 §3)."""

    status, code, title = 428, "precondition_required", "Precondition required"
    detail = "Send the ETag of what you change, as If-Match."


class UnsupportedMediaType(CareLinkError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"
    detail = "Send JSON, with the header Content-Type: application/json."


class ValidationFailed(CareLinkError):
    """The body has the wrong shape; `errors` maps each field to its messages."""

    status, code, title = 422, "validation_failed", "Validation failed"
    detail = "Some fields are missing or wrong; see errors."

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__(errors=errors)


class Throttled(CareLinkError):
    status, code, title = 429, "throttled", "Too many requests"
    detail = "Too many requests. Wait as long as Retry-After says."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(max(1, retry_after_seconds))})


class Unavailable(CareLinkError):
    """A store does not answer. Never a 401, which would end the session at the client."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"
    detail = "A store does not answer. Nothing was changed; try again shortly."

    def __init__(self, retry_after_seconds: int = 2) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


# What Werkzeug raises by itself, by status. `detail` is ours: its descriptions are not a contract.
_BY_STATUS = {
    kind.status: (kind.code, kind.title, kind.detail)
    for kind in (NotFound, UnsupportedMediaType, ValidationFailed, Throttled, Unavailable)
} | {
    405: ("method_not_allowed", "Method not allowed", "See the Allow header."),
    413: ("content_too_large", "Content too large", "The body is larger than this service takes."),
    414: ("uri_too_long", "URI too long", "The address is too long."),
}


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str | list[str]] | None = None,
    **members: Any,
) -> Response:
    """Build the one shape of every error answer."""
    metrics.PROBLEMS.labels(code, members.get("reason", "")).inc()
    body = {
        "type": f"urn:carelink:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
        "request_id": request.environ[REQUEST_ID],
    }
    text = json.dumps(body, separators=(",", ":")) + "\n"
    return Response(text, status, headers or {}, content_type="application/problem+json")


def register(app: Flask) -> None:
    """Answer every exception with a problem."""
    app.register_error_handler(CareLinkError, answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(OperationalError, _answer_store_down)
    app.register_error_handler(InterfaceError, _answer_store_down)
    app.register_error_handler(PoolTimeout, _answer_store_down)
    app.register_error_handler(DBAPIError, _answer_database)
    app.register_error_handler(Exception, _answer_unexpected)


def answer(error: CareLinkError) -> Response:
    """Return the problem of an error of ours."""
    return problem(
        error.status, error.code, error.title, error.detail, headers=error.headers, **error.members
    )


def _answer_http(error: HTTPException) -> Response:
    if error.response is not None or error.code is None:
        return error.get_response()  # type: ignore[return-value]  # a redirect is no error
    phrase = HTTPStatus(error.code).phrase if error.code in list(HTTPStatus) else "Error"
    general = (phrase.lower().replace(" ", "_"), phrase, "The request cannot be served.")
    code, title, detail = _BY_STATUS.get(error.code, general)
    kept = {k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After", "Content-Range")}
    return problem(error.code, code, title, detail, headers=kept)


def _answer_store_down(error: Exception) -> Response:
    log.warning("database_unavailable", kind=type(error).__name__, exc_info=error)
    return answer(Unavailable())


def _answer_database(error: DBAPIError) -> Response:
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _READ_ONLY:
        return _answer_store_down(error)
    return _answer_unexpected(error)


def _answer_unexpected(error: Exception) -> Response:
    log.error("unexpected_error", kind=type(error).__name__, exc_info=error)
    return answer(CareLinkError())
