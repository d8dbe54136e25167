"""The command that imports accounts from a file, and the file of codes that are handed out."""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from .. import clock
from ..accounts.importing import REQUIRED, Directory, PersonDraft
from ..accounts.models import User
from ..extensions import db
from ..sessions.importing_users import Handed, Imported, import_users
from .cli_users import users as users
from .import_files import checked_lines
from .output import (
    CLI_ACTOR,
    PENDING,
    as_json_option,
    ask,
    checked_reason,
    printable,
    progress_bar,
    tell,
    yes_option,
)

_OWNER_ONLY = 0o600
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CodesFile:
    """A file that only its owner reads, for codes that are shown nowhere else."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.first: str | None = None
        """Who stands in it first, by e-mail; None before anything is written."""
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")

    def write(self, handed: Sequence[Handed]) -> None:
        """Write who gets which code, and see that it is on the disk."""
        rows = csv.writer(self._file)
        rows.writerow(("email", "name", "code", "expires_at"))
        for person, code in handed:
            whom = map(_no_formula, (person.email, person.name))
            rows.writerow((*whom, code.text, f"{code.expires_at:%FT%TZ}"))
        self.first = handed[0][0].email if handed else None
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _no_formula(text: str) -> str:
    """Return what a spreadsheet takes for text: people's names come from elsewhere (CWE-1236)."""
    return f"'{text}" if text.startswith(_BEGINS_A_FORMULA) else text


@users.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--codes", "codes_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Write each new account's one-time code into this new file, to be handed out.",
)  # fmt: skip
@click.option("--update", is_flag=True, help="Change accounts that differ from the file.")
@click.option("--reason", default="user import", show_default=True, help="For the audit trail.")
@click.option("--dry-run", is_flag=True, help="Check every line and import nothing.")
@yes_option
@as_json_option
def import_file(
    file: Path,
    codes_path: Path | None,
    update: bool,
    reason: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Import FILE.csv: all of it, or nothing where a single line is wrong.

    Columns: email, name, user_type, unit (may be empty). New accounts have no password: each
    begins with its one-time code. Importing a file again does nothing.
    """
    why, sql = checked_reason(reason), db.session()
    directory = Directory(sql)
    drafts = checked_lines(
        file, REQUIRED, (), lambda fields: directory.read(fields, may_change=update),
        key=lambda draft: draft.email,
    )  # fmt: skip
    sql.rollback()  # no transaction stays open while a person thinks
    differing = [draft for draft in drafts if draft.changes]
    for draft in differing:
        click.echo(printable(f"{draft.email}: {', '.join(draft.changes)}"), err=True)
    if dry_run:
        _tell(drafts, None, codes_path, as_json)
        return
    if differing:
        ask(f"Change {len(differing)} accounts? Their sessions may end.", yes=yes)
    if not any(draft.known_id is None for draft in drafts):
        codes_path = None  # nobody new: no file that says nothing
    with _codes_file(codes_path) as codes, progress_bar() as bar:
        task = bar.add_task("Importing", total=len(drafts))
        done = import_users(
            sql, drafts, why=why, now=clock.now(), actor=CLI_ACTOR,
            hand_out=codes.write if codes else None, done=lambda n: bar.advance(task, n),
        )  # fmt: skip
    _tell(drafts, done, codes_path, as_json)


@contextmanager
def _codes_file(path: Path | None) -> Iterator[CodesFile | None]:
    """Make the file before anything is imported; it goes again where nothing was.

    Who interrupts it while sessions are being ended has imported all of it.
    """
    if path is None:
        yield None
        return
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
    except OSError as error:
        raise click.ClickException(
            f"{printable(str(path))} cannot be made: {error.strerror}. Nothing was imported."
        ) from None
    codes = CodesFile(path, made)
    try:
        yield codes
    except BaseException as error:
        if _is_imported(codes):
            click.echo(
                f"The accounts are there; their codes are in {printable(str(path))}.", err=True
            )
            raise
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise click.ClickException(
                f"{printable(str(path))} cannot be written: {error.strerror}. Nothing was imported."
            ) from None
        raise
    finally:
        codes.close()


def _is_imported(codes: CodesFile) -> bool:
    """Ask the database; where it does not answer the codes may be good, and are kept."""
    if codes.first is None:
        return False
    sql = db.session()
    try:
        sql.rollback()
        return sql.scalar(select(User.id).where(User.email == codes.first)) is not None
    except SQLAlchemyError:
        return True


def _tell(
    drafts: Sequence[PersonDraft], done: Imported | None, codes: Path | None, as_json: bool
) -> None:
    new = sum(draft.known_id is None for draft in drafts)
    changed = sum(bool(draft.changes) for draft in drafts)
    facts = {
        "created": new,
        "changed": changed,
        "unchanged": len(drafts) - new - changed,
        "sessions_ended": done.sessions_ended if done else 0,
        "pending": done is not None and not done.redis_knows,
        "dry_run": done is None,
    }
    counts = f"{new} new, {changed} changed, {len(drafts) - new - changed} unchanged."
    if done is None:
        tell(f"Every line is good: {counts} Nothing was done.", facts, as_json)
        return
    words = f"Imported {counts} Sessions ended: {done.sessions_ended}."
    if codes:
        words += f" The codes of the new ones are in {codes}: hand them out, then remove it."
    elif new:
        words += " The new ones have no code yet: `flask users code EMAIL` makes one."
    tell(words + ("" if done.redis_knows else PENDING), facts, as_json)
