"""One page of a list, and how long the whole list is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import marshmallow as ma
from sqlalchemy import Integer, Row, Select, bindparam, func
from sqlalchemy.orm import Session as Sql

Item = TypeVar("Item")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    items: Sequence[Item]
    total: int
    page: int
    page_size: int

    def map(self, shown: Callable[[Item], Other]) -> "Page[Other]":
        """Return the page with each item as `shown` makes it."""
        return Page([shown(item) for item in self.items], self.total, self.page, self.page_size)


def read_page(
    sql: Sql,
    statement: Select[*tuple[Any, ...]],
    *,
    page: int,
    page_size: int,
    values: Mapping[str, Any] | None = None,
) -> Page[Row[*tuple[Any, ...]]]:
    """Read one page of an ordered statement, and how many rows it has on all pages.

    `values` are for the statement's own places. One statement; a second one counts where the page
    itself does not show the end.
    """
    one_page, every = _paged(statement)
    known = dict(values or {})
    first = (page - 1) * page_size
    rows = sql.execute(one_page, known | {"page_first": first, "page_size": page_size}).all()
    if len(rows) < page_size and (rows or page == 1):
        return Page(rows, first + len(rows), page, page_size)
    return Page(rows, sql.scalar(every, known) or 0, page, page_size)


@lru_cache(maxsize=128)
def _paged(
    statement: Select[*tuple[Any, ...]],
) -> tuple[Select[*tuple[Any, ...]], Select[int]]:
    """Return what selects a page, and what counts. A statement that is kept is not built again."""
    first, size = bindparam("page_first", type_=Integer), bindparam("page_size", type_=Integer)
    every = statement.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    return statement.offset(first).limit(size), every


class PageSchema(ma.Schema):
    """What surrounds the items of every list; a subclass adds `items`."""

    total = ma.fields.Integer(
        required=True, metadata={"description": "How many there are on all pages."}
    )
    page = ma.fields.Integer(required=True)
    page_size = ma.fields.Integer(required=True)
