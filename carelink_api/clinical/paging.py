"""One page of a list, and how long the whole list is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import marshmallow as ma
from sqlalchemy import Row, Select, func
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
    sql: Sql, statement: Select[*tuple[Any, ...]], *, page: int, page_size: int
) -> Page[Row[*tuple[Any, ...]]]:
    """Read one page of an ordered statement, and count all of it: two statements."""
    every = statement.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
    total = sql.scalar(every) or 0
    rows = sql.execute(statement.offset((page - 1) * page_size).limit(page_size)).all()
    return Page(rows, total, page, page_size)


class PageSchema(ma.Schema):
    """What surrounds the items of every list; a subclass adds `items`."""

    total = ma.fields.Integer(
        required=True, metadata={"description": "How many there are on all pages."}
    )
    page = ma.fields.Integer(required=True)
    page_size = ma.fields.Integer(required=True)
