"""How a command reads a CSV file: every bad line is named, and then none counts."""

from collections.abc import Callable, Hashable, Sequence
from io import StringIO
from pathlib import Path

import click

from ..csv_lines import BadLine, Draft, Fields, GoodLine, header_fault, read_lines
from .output import printable, progress_bar


def checked_lines(
    file: Path,
    required: Sequence[str],
    optional: Sequence[str],
    read: Callable[[Fields], Draft],
    *,
    key: Callable[[Draft], Hashable],
) -> list[Draft]:
    """Return what every line of the file says; else name each bad one and stop with exit code 1.

    For `read` and `key` see `csv_lines.read_lines`.
    """
    text = _text(file)
    if fault := header_fault(StringIO(text, newline=""), required, optional):
        raise click.ClickException(f"Nothing was imported: {fault}.")
    lines: list[GoodLine[Draft] | BadLine] = []
    with progress_bar() as bar:
        task = bar.add_task("Checking", total=max(1, text.count("\n")))
        for line in read_lines(StringIO(text, newline=""), read, key):
            lines.append(line)
            bar.update(task, completed=line.line)
    bad = [line for line in lines if isinstance(line, BadLine)]
    for each in bad:
        click.echo(f"line {each.line}: {printable(each.fault)}", err=True)
    if bad:
        raise click.ClickException(
            f"Nothing was imported: {len(bad)} of {len(lines)} lines are bad."
        )
    return [line.draft for line in lines if isinstance(line, GoodLine)]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")  # spreadsheets put a mark in front
    except OSError as error:
        raise click.ClickException(
            f"{printable(str(file))} cannot be read: {error.strerror}."
        ) from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{printable(str(file))} is not UTF-8.") from None
