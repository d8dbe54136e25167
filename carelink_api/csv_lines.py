"""A CSV file that is imported whole or not at all: every line is read before any is believed.

The first line names the columns. What a line means is its importer's matter.
"""

import csv
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Draft = TypeVar("Draft")
Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with a line, and its number in the file; the header is the first."""

    line: int
    fault: str


@dataclass(frozen=True, slots=True)
class GoodLine(Generic[Draft]):
    line: int
    draft: Draft


class Fault(Exception):
    """Something about one line; the message is for a person."""


def header_fault(
    text: Iterable[str], required: Sequence[str], optional: Sequence[str] = ()
) -> str | None:
    """Return what is wrong with the first line of a file, or None."""
    found = [name.strip().lower() for name in next(csv.reader(text), [])]
    if missing := [name for name in required if name not in found]:
        return f"the first line must name the columns; missing: {', '.join(missing)}"
    if strange := [name for name in found if name not in (*required, *optional)]:
        return f"unknown columns: {', '.join(strange)}"
    return None if len(set(found)) == len(found) else "a column stands twice"


def read_lines(
    text: Iterable[str], read: Callable[[Fields], Draft], key: Callable[[Draft], Hashable]
) -> Iterator[GoodLine[Draft] | BadLine]:
    """Yield each line below the header as what it says, or as what is wrong with it.

    `read` makes a draft of a line's fields, or raises Fault; no two drafts may have one `key`.
    """
    reader = csv.DictReader(text, strict=True)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    seen: dict[Hashable, int] = {}
    while True:
        try:
            row: Mapping[str | None, str | None] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(reader.line_num, f"is no CSV: {error}")
            return
        yield _line(reader.line_num, row, read, key, seen)


def _line(
    number: int,
    row: Mapping[str | None, str | None],
    read: Callable[[Fields], Draft],
    key: Callable[[Draft], Hashable],
    seen: dict[Hashable, int],
) -> GoodLine[Draft] | BadLine:
    if None in row or None in row.values():
        return BadLine(number, "has more or fewer fields than the header")
    try:
        draft = read({str(name): (value or "").strip() for name, value in row.items()})
    except Fault as fault:
        return BadLine(number, str(fault))
    first = seen.setdefault(key(draft), number)
    return GoodLine(number, draft) if first == number else BadLine(number, f"same as line {first}")
