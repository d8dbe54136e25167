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
    links = {
        relation: f"{url}?{urlencode([*asked, ('page', page)])}"
        for relation, page in _pages(found).items()
    }
    return _bundle(kind, found.items, found.total, server, links)


def whole(kind: Kind, records: Sequence[Record], server: Server, *, url: str) -> Resource:
    """Return the bundle of a list that has no pages."""
    return _bundle(kind, records, len(records), server, {"self": url})


def _bundle(
    kind: Kind, records: Sequence[Record], total: int, server: Server, links: dict[str, str]
) -> Resource:
    return without_nothing(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": total,
            "link": [{"relation": relation, "url": url} for relation, url in links.items()],
            "entry": [_entry(kind, record, server) for record in records],
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
