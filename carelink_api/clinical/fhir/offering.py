"""HTTP side of FHIR: what a route shows is offered as FHIR too.

    @bp.response(200, PatientSchema, headers=ETAG_HEADER)
    @bp.problems(..., 406)
    @also_as(PATIENT)
    def read_patient(patient_id: int) -> Answer: ...

Access, audit and paging are the route's own. Errors stay problems: clients act on their `code`.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

import orjson
from flask import Response, request
from werkzeug.http import http_date

from ...api import JSON_OPTIONS, CareLinkBlueprint
from ...errors import CareLinkError, InvalidRequest
from ...extensions import settings
from ..paging import Page
from .accept import FHIR_JSON, preferred
from .bundle import searchset, whole
from .common import Kind, Resource, Server

View = TypeVar("View", bound=Callable[..., Any])
VARY = {"Vary": "Accept"}
ETAG_HEADER: dict[str, Any] = {
    "ETag": {
        "description": 'The version, weak in FHIR; `"<version>"` is what If-Match takes.',
        "schema": {"type": "string", "pattern": r'^(W/)?"[1-9][0-9]{0,8}"$'},
    }
}
"""For `headers=` of a documented answer that shows one record."""


class NotAcceptable(CareLinkError):
    status, code, title = 406, "not_acceptable", "Not acceptable"
    detail = f"There is application/json, and {FHIR_JSON} in fhirVersion 4.3 or 4.0."

    def __init__(self) -> None:
        super().__init__(headers=VARY)


def also_as(kind: Kind) -> Callable[[View], View]:
    """Offer the one record that a view returns, with its headers, as a resource."""
    return _offered(kind.name, lambda record, _: kind.resource(record, _server()))


def also_bundled(kind: Kind) -> Callable[[View], View]:
    """Offer the page that a view, whose first argument is the query, returns as a bundle."""
    return _offered("Bundle", lambda found, query: _bundled(kind, found, query))


def also_collected(kind: Kind) -> Callable[[View], View]:
    """Offer the list without pages that a view returns as a bundle."""

    def collected(found: Any, _: Any) -> Resource:
        return whole(kind, found["items"], _server(), url=request.base_url)

    return _offered("Bundle", collected)


def _offered(name: str, to_resource: Callable[[Any, Any], Resource]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def represented(*args: Any, **kwargs: Any) -> Any:
            wanted = preferred(request.headers.get("Accept"))
            if wanted is None:
                raise NotAcceptable()
            if not wanted.is_fhir:
                shown, headers = _with_headers(view(*args, **kwargs))
                return shown, headers | VARY
            _demand_host()
            shown, _ = _with_headers(view(*args, **kwargs))
            return _answer(to_resource(shown, args[0] if args else None), wanted.content_type)

        return _documented(represented, name)  # type: ignore[return-value]

    return decorate


def _with_headers(answer: Any) -> tuple[Any, dict[str, str]]:
    return answer if isinstance(answer, tuple) else (answer, {})


def _answer(resource: Resource, content_type: str) -> Response:
    answer = Response(orjson.dumps(resource, option=JSON_OPTIONS), content_type=content_type)
    answer.headers.update(VARY)
    meta = resource.get("meta", {})
    if "versionId" in meta:
        answer.headers["ETag"] = f'W/"{meta["versionId"]}"'
    if "lastUpdated" in meta:
        answer.headers["Last-Modified"] = http_date(meta["lastUpdated"])
    return answer


def _bundled(kind: Kind, found: Page[Any], query: Mapping[str, Any]) -> Resource:
    asked = [(k, v) for k, v in request.args.items(multi=True) if k in query and k != "page"]
    return searchset(kind, found, _server(), url=request.base_url, asked=asked)


def _server() -> Server:
    return Server(request.host_url.rstrip("/"), settings().fhir_mrn_system)


def _demand_host() -> None:
    """Raise InvalidRequest where nobody has said under which name we are called (RFC 9112 §3.2)."""
    if not request.host:
        raise InvalidRequest("Send the header Host: addresses in the answer begin with it.")


def _documented(view: Callable[..., Any], name: str) -> Callable[..., Any]:
    schema = {
        "type": "object",
        "description": f"FHIR R4B: https://hl7.org/fhir/R4B/{name.lower()}.html",
        "properties": {"resourceType": {"type": "string", "const": name}},
        "required": ["resourceType"],
    }
    offered = {"content": {FHIR_JSON: {"schema": schema}}}
    return CareLinkBlueprint.doc(responses={200: offered})(view)
