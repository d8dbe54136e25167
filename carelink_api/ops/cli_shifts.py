"""Commands on the roster: import a file, list shifts."""

from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..accounts import service as accounts
from ..extensions import db, settings
from ..sessions.following import Cause
from ..sessions.importing import import_shifts
from ..shifts import roster
from ..shifts import service as shift_service
from ..shifts.importing import OPTIONAL, REQUIRED, People, read_draft
from ..shifts.models import Shift
from ..shifts.roster import Rostered
from .import_files import checked_lines
from .output import (
    CLI_ACTOR,
    CommandGroup,
    Row,
    as_json_option,
    ask,
    checked_reason,
    printable,
    progress_bar,
    show,
    tell,
    yes_option,
)

shifts = CommandGroup("shifts", help="The roster: who works where, and when.")

_COLUMNS = ["id", "user", "unit", "starts_at", "ends_at", "in_charge", "status"]
_PAGE = 1000


class _Zone(click.ParamType[ZoneInfo]):
    """A time zone by its name."""

    name = "zone"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> ZoneInfo:
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.fail(f"{printable(value)!r} is no time zone such as Europe/Berlin.", param, ctx)


@shifts.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--timezone", type=_Zone(), help="Where times without an offset are meant.")
@click.option("--reason", default="roster import", show_default=True, help="For the audit trail.")
@click.option("--dry-run", is_flag=True, help="Check every line and import nothing.")
@yes_option
@as_json_option
def import_file(
    file: Path, timezone: tzinfo | None, reason: str, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Import FILE.csv: all of it, or nothing where a single line is wrong.

    Columns: email, unit, starts_at, ends_at and, where wanted, in_charge.
    """
    why, sql, now = checked_reason(reason), db.session(), clock.now()
    people = People(sql, settings())
    drafts = checked_lines(
        file, REQUIRED, OPTIONAL, lambda fields: read_draft(fields, people, timezone),
        key=lambda draft: draft.key,
    )  # fmt: skip
    if dry_run:
        tell(f"Every line is good: {len(drafts)} shifts.", {"shifts": len(drafts)}, as_json)
        return
    begins = not shift_service.is_kept(sql) and bool(settings().shift_bound_user_types)
    sql.rollback()  # no transaction stays open while a person thinks
    if begins and drafts:
        ask(
            "A roster begins: from now on shifts bind the logins of these units. Import it?",
            yes=yes,
        )
    with progress_bar() as bar:
        task = bar.add_task("Importing", total=len(drafts))
        cause = Cause(CLI_ACTOR, why, now)
        added = import_shifts(sql, drafts, cause, done=lambda count: bar.advance(task, count))
    _tell_imported(sql, len(drafts), added, now, as_json)


@shifts.command("list")
@click.option("--user", "email", help="Only this person's.")
@click.option("--unit", help="Only this unit's.")
@click.option("--all", "every", is_flag=True, help="Past and cancelled shifts, too.")
@as_json_option
def list_all(email: str | None, unit: str | None, every: bool, as_json: bool) -> None:
    """Show the shifts that are on or to come."""
    sql, now = db.session(), clock.now()
    which = [] if every else [Shift.ends_at > now, Shift.cancelled_at.is_(None)]
    if email is not None:
        which.append(Shift.user_id == accounts.get_user(sql, email).id)
    if unit is not None:
        which.append(Shift.unit_id == accounts.get_unit(sql, unit).id)
    rows: list[Row] = []
    total = 1
    while len(rows) < total:
        page = len(rows) // _PAGE + 1
        found, total = roster.listed(sql, which, page=page, page_size=_PAGE)
        rows += [_row(shift) for shift in found]
        total = total if found else 0
    show(rows, _COLUMNS, as_json)


def _tell_imported(sql: Sql, given: int, added: int, now: datetime, as_json: bool) -> None:
    idle = shift_service.without_shift(sql, now)
    words = f"Imported {added} shifts; {given - added} were there already."
    if idle:
        words += f" Whom shifts bind and who has none within a day: {idle}."
    facts = {"imported": added, "known": given - added, "without_shift": idle}
    tell(words, facts, as_json)


def _row(shift: Rostered) -> Row:
    return {
        "id": shift.id,
        "user": shift.user_name,
        "unit": shift.unit_name,
        "starts_at": shift.starts_at,
        "ends_at": shift.ends_at,
        "in_charge": shift.in_charge,
        "status": "active" if shift.cancelled_at is None else "cancelled",
        "version": shift.version,
        "user_id": shift.user_id,
    }
