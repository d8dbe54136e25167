"""Who did something, as lists show it: an id and a name, and nothing else of a user's row."""

from typing import Any

from sqlalchemy import ColumnElement, Row


def named(user: Any, role: str) -> tuple[ColumnElement[Any], ...]:
    """Return the columns that `person` reads back; `user` is `User` or an alias of it."""
    return user.id.label(f"{role}_id"), user.name.label(f"{role}_name")


def person(row: Row[*tuple[Any, ...]], role: str) -> dict[str, Any] | None:
    """Return who has that role in a row; None where nobody has."""
    found = row._mapping[f"{role}_id"]
    return None if found is None else {"id": found, "name": row._mapping[f"{role}_name"]}
