"""How every command speaks: a table for people, JSON for programs, one sentence on failure."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..auth.key_store import KeyRefused
from ..config import UnsafeSettings
from ..errors import CareLinkError

Row = Mapping[str, Any]

CLI_ACTOR = "cli"
"""Who acts, in the audit trail."""
PENDING = (
    " Redis did not take all of it: the workers refuse these sessions from SQL within a second,"
    " and the housekeeper writes Redis when it answers."
)
_WIDE = 1000
"""Columns of an output that is no terminal: nothing is folded for a pipe."""
_REASON_LENGTH = (3, 200)
_UNDEFINED_TABLE = ("no such table", "UndefinedTable")
_DATABASE_DOWN = (
    "The database does not answer; see that it runs and that "
    "CARELINK_SQLALCHEMY_DATABASE_URI names it."
)
_NOT_MIGRATED = "The database has no tables of CareLink yet; run `flask --app wsgi db upgrade`."

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn what can go wrong into one sentence on standard error and exit code 1.

    Also a decorator, for a command that stands in no group: `@plain_failures()`.
    """
    try:
        yield
    except CareLinkError as error:
        raise click.ClickException(sentence(error)) from error
    except (UnsafeSettings, KeyRefused) as error:
        raise click.ClickException(str(error)) from error
    except (DBAPIError, PoolTimeout) as error:
        if not (words := _database_sentence(error)):
            raise
        raise click.ClickException(words) from error


class CommandGroup(AppGroup):
    """A group of commands, all of which fail plainly."""

    def invoke(self, ctx: click.Context) -> Any:
        with plain_failures():
            return super().invoke(ctx)


def sentence(error: CareLinkError) -> str:
    """Return what an operator needs to know of `error`, field by field where it names fields."""
    fields = error.members.get("errors")
    if not isinstance(fields, dict):
        return error.detail
    return " ".join(f"{name}: {' '.join(faults)}" for name, faults in fields.items())


def _database_sentence(error: DBAPIError | PoolTimeout) -> str | None:
    if isinstance(error, PoolTimeout):
        return _DATABASE_DOWN
    cause = error.orig
    if any(mark in f"{type(cause).__name__} {cause}" for mark in _UNDEFINED_TABLE):
        return _NOT_MIGRATED
    unreachable = isinstance(error, OperationalError) or error.connection_invalidated
    return _DATABASE_DOWN if unreachable else None


def show(rows: Sequence[Row], columns: Sequence[str], as_json: bool) -> None:
    """Print rows: `columns` of them as a table, or every member as a JSON array."""
    if as_json:
        click.echo(json.dumps(rows, default=_plain, indent=2))
    elif rows:
        console().print(_table(rows, columns))
    else:
        click.echo("Nothing to show.")


def tell(words: str, facts: Row, as_json: bool) -> None:
    """Print what was done: a sentence, or its facts as a JSON object."""
    click.echo(json.dumps(facts, default=_plain, indent=2) if as_json else printable(words))


def ask(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; stop with exit code 1 unless the answer is yes."""
    if yes:
        return
    try:
        agreed = click.confirm(printable(question), err=True)  # standard output is for JSON
    except click.Abort:
        raise click.ClickException("Nothing was done. Where nobody answers, add --yes.") from None
    if not agreed:
        raise click.ClickException("Nothing was done.")


def checked_reason(text: str, what: str = "reason") -> str:
    """Return a reason for the audit trail, less what surrounds it; stop where it is none."""
    why = text.strip()
    shortest, longest = _REASON_LENGTH
    if not (shortest <= len(why) <= longest and why.isprintable()):
        raise click.ClickException(
            f"The {what} must be {shortest} to {longest} printable characters."
        )
    return why


def console() -> Console:
    """Return a console on the present standard output."""
    width = None if sys.stdout.isatty() else _WIDE
    return Console(file=sys.stdout, width=width, highlight=False)


def progress_bar() -> Progress:
    """Return a progress bar on standard error; it shows itself on a terminal only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def printable(text: str) -> str:
    """Return `text` with what could steer a terminal made visible (ASVS 16.4.1)."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _table(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    return table


def _cell(value: Any) -> str:
    if value in (None, [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_cell(each)}" for name, each in value.items())
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return printable(str(value))


def _plain(value: Any) -> str:
    """Write a time as in RFC 3339, UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
