"""A page of a list as FHIR Bundle. Pure."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlencode

from .common import Kind, Record, Resource, Server, without_nothing


class Paged(Protocol):
    """A page of records."""

    @property
    def items(self) -> Sequence[Record]: ...
    @property
    def total(self) -> int: ...
    @property
    def page(self) -> int: ...
    @property
    def page_size(self) -> int: ...


def searchset(
    kind: Kind, found: Paged, server: Server, *, url: str, asked: Sequence[tuple[str, str]]
) -> Resource:
    """Return the bundle of one page; `url` and `asked`, less the page, lead to each of them."""
    return without_nothing(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": found.total,
            "link": [
                {"relation": relation, "url": f"{url}?{urlencode([*asked, ('page', page)])}"}
                for relation, page in _pages(found).items()
            ],
            "entry": [_entry(kind, record, server) for record in found.items],
        }
    )


def _entry(kind: Kind, record: Record, server: Server) -> Resource:
    return {
        "fullUrl": kind.address(record, server),
        "resource": kind.resource(record, server),
        "search": {"mode": "match"},
    }


def _pages(found: Paged) -> dict[str, int]:
    """Return which pages the bundle leads to, by the names of RFC 8288's registry and FHIR."""
    last = max(1, -(-found.total // found.page_size))
    pages = {"self": found.page, "first": 1}
    if found.page > 1:
        pages["previous"] = min(found.page - 1, last)
    if found.page < last:
        pages["next"] = found.page + 1
    return pages | {"last": last}
