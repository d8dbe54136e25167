"""What every blueprint shares: strict JSON in, documented shapes out, problems in the document."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import marshmallow as ma
import orjson
from flask import Request, Response
from flask.json.provider import DefaultJSONProvider
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from . import strict_json
from .errors import MalformedBody, UnsupportedMediaType, ValidationFailed
from .fields import QueryInteger
from .service import Answer
from .shaping import shape_of

View = TypeVar("View", bound=Callable[..., Any])
BODY_PROBLEMS = (400, 413, 415)
"""What a body can get wrong before its fields are looked at."""
SECURITY: list[dict[str, list[str]]] = [{"accessToken": []}]
"""For `@bp.doc(security=SECURITY)` on a route that needs an access token."""
COOKIE_SECURITY: list[dict[str, list[str]]] = [{}, {"refreshCookie": []}]
"""For a route that takes the refresh token out of the cookie, where no body brings it."""
OPTIONAL_SECURITY: list[dict[str, list[str]]] = [*COOKIE_SECURITY, *SECURITY]
"""For a route on which an access token is one way of several."""


def read_json(request: Request) -> Any:
    """Return the body as JSON; an absent body is `{}`.

    Raises UnsupportedMediaType, MalformedBody. The content type is looked at first, so that a form
    body gets 415 and not a complaint about missing fields.
    """
    body = request.get_data(cache=True)
    if request.mimetype != "application/json" and (request.mimetype or body):
        raise UnsupportedMediaType()
    if not body:
        return {}
    try:
        return strict_json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # digits, depth, encoding, syntax: all the client's
        raise MalformedBody() from None


JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_APPEND_NEWLINE
"""With these a time is written as by `rfc3339`."""


class FastJson(DefaultJSONProvider):
    """Answers by orjson, at a third of the cost; a time in them is written as by `rfc3339`."""

    def response(self, *args: Any, **kwargs: Any) -> Response:
        shaped = self._prepare_response_obj(args, kwargs)
        return Answer.of_json(orjson.dumps(shaped, self.default, JSON_OPTIONS))


class StrictParser(FlaskParser):
    """webargs with our reading of a body and our error."""

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        return read_json(req)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        messages: Any = error.messages
        if isinstance(messages, dict) and len(messages) == 1:
            location, inner = next(iter(messages.items()))
            if location in ("json", "query") and isinstance(inner, dict):
                messages = inner
        raise ValidationFailed(messages) from None


class CareLinkBlueprint(Blueprint):
    """Flask-smorest's blueprint with the strict parser."""

    ARGUMENTS_PARSER = StrictParser()

    def arguments(self, schema: Any, **kwargs: Any) -> Callable[[View], View]:
        """Hand a view what the schema lets in, and document it; the schema is made once."""
        if isinstance(schema, type):
            schema = schema()
        decorate: Callable[[View], View] = super().arguments(schema, **kwargs)
        return decorate

    def response(
        self, status_code: int, schema: Any = None, **kwargs: Any
    ) -> Callable[[View], View]:
        """Answer what the schema lets out, and document it."""
        if isinstance(schema, type):
            schema = schema()
            schema.dump = shape_of(schema)
        decorate: Callable[[View], View] = super().response(status_code, schema, **kwargs)
        return decorate

    def alt_response(self, *args: Any, **kwargs: Any) -> Callable[[View], View]:
        """Document an answer."""
        return _on_the_view_itself(super().alt_response(*args, **kwargs))

    @staticmethod
    def doc(**members: Any) -> Callable[[View], View]:
        """Add members to the operation in the document."""
        return _on_the_view_itself(Blueprint.doc(**members))

    def leads_to(
        self, operation: str, *, status: int = 200, **where: dict[str, str]
    ) -> Callable[[View], View]:
        """Document that an answer holds what another operation takes (an OpenAPI link).

        `where` is `parameters` or `body`, from the other's name to the place in this answer:
        `leads_to("refresh", body={"refresh": "/refresh"})`.
        """
        keys = {"parameters": "parameters", "body": "requestBody"}
        link: dict[str, Any] = {
            keys[location]: {name: f"$response.body#{place}" for name, place in names.items()}
            for location, names in where.items()
        }
        links = {operation: {"operationId": operation} | link}
        return self.doc(responses={status: {"links": links}})

    def _store_endpoint_docs(self, endpoint: str, *args: Any, **options: Any) -> None:
        """Give each operation an id, as the generators of clients need one: its endpoint's name."""
        super()._store_endpoint_docs(endpoint, *args, **options)
        for documented in self._docs[endpoint].values():
            if isinstance(documented, dict):
                documented.setdefault("manual_doc", {}).setdefault("operationId", endpoint)

    def problems(self, *statuses: int) -> Callable[[View], View]:
        """Document the problems that a route answers with, beside the 422 of its arguments."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(status, HTTPStatus(status).name)(view)
            return view

        return decorate


def _on_the_view_itself(decorate: Callable[[View], View]) -> Callable[[View], View]:
    """Keep a decorator's documentation and leave out its wrapper, which costs each request."""

    def documented(view: View) -> View:
        view._apidoc = decorate(view)._apidoc  # type: ignore[attr-defined]
        return view

    return documented


class Text(ma.fields.String):
    """The one text field: no NUL, no lone surrogates, no control characters, bounded."""

    def __init__(self, *, max_length: int = 256, min_length: int = 1, **kwargs: Any) -> None:
        bounds = ma.validate.Length(min=min_length, max=max_length)
        pattern = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
        shown = pattern | kwargs.pop("metadata", {})
        super().__init__(validate=[bounds, _printable], metadata=shown, **kwargs)


def _printable(value: str) -> None:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ma.ValidationError("Holds a character that is no text.")


class Secret(ma.fields.String):
    """A password or token as it was typed: any characters that Unicode can encode, bounded."""

    def __init__(self, *, max_length: int, description: str = "", **kwargs: Any) -> None:
        metadata = {"pattern": r"^[^\u0000]*$"}
        if description:
            metadata["description"] = description
        bounds = ma.validate.Length(min=1, max=max_length)
        super().__init__(validate=[bounds, _encodable], metadata=metadata, **kwargs)


def _encodable(value: str) -> None:
    if "\0" in value or re.search(r"[\ud800-\udfff]", value):
        raise ma.ValidationError("Holds a character that is no text.")


class Time(ma.fields.DateTime):
    """An RFC 3339 time in UTC, whole seconds, with a Z."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None or isinstance(value, str):
            return value  # written by us before
        return rfc3339(value)


def rfc3339(at: datetime) -> str:
    """Return a time as every answer shows it; what is left of a second is cut off."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


class PageArgs(ma.Schema):
    """Query of every list."""

    page = QueryInteger(load_default=1, validate=ma.validate.Range(1, 100_000))
    page_size = QueryInteger(load_default=50, validate=ma.validate.Range(1, 200))
