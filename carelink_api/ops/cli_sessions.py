"""Commands on sessions: who is logged in, and ending sessions."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args

import click
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..accounts import service
from ..accounts.models import Unit, User, UserType
from ..extensions import db, settings
from ..session_profiles import ProfileName
from ..sessions.addresses import parse_range
from ..sessions.models import Session, live_at
from ..sessions.revoking import Selection, count_selected, demand_agreed_clock, revoke
from . import revocation_runs
from .output import (
    CLI_ACTOR,
    PENDING,
    CommandGroup,
    Row,
    as_json_option,
    ask,
    checked_reason,
    progress_bar,
    show,
    tell,
    yes_option,
)
from .session_facts import facts

sessions = CommandGroup("sessions", help="Who is logged in, and ending sessions.")

user_option = click.option("--user", "email", metavar="EMAIL", help="Of this account.")
unit_option = click.option("--unit", help="Of everyone in this unit.")
type_option = click.option(
    "--user-type", type=click.Choice([str(t) for t in UserType]), help="Of this type of user."
)
_COLUMNS = [
    "sid", "email", "user_type", "unit", "profile", "device_name", "address", "started_at",
    "last_active_at", "expires_at", "state",
]  # fmt: skip
_TABLE_ROWS = 200


@sessions.command("list")
@user_option
@unit_option
@type_option
@as_json_option
def list_live(email: str | None, unit: str | None, user_type: str | None, as_json: bool) -> None:
    """Show the sessions that have not ended: the first 200 as a table, all of them as JSON."""
    sql, now = db.session(), clock.now()
    filters = [*live_at(now)]
    if email is not None:
        filters.append(User.id == service.get_user(sql, email).id)
    if unit is not None:
        filters.append(Unit.id == service.get_unit(sql, unit).id)
    if user_type is not None:
        filters.append(User.user_type == user_type)
    rows = list(_rows(sql, filters, now, limit=None if as_json else _TABLE_ROWS))
    show(rows, _COLUMNS, as_json)
    if not as_json and len(rows) == _TABLE_ROWS:
        click.echo(
            f"The first {_TABLE_ROWS} of {_count(sql, filters)}: narrow it with --user, --unit or "
            "--user-type, or print all with --json."
        )


@sessions.command("revoke")
@click.option("--session", "sid", metavar="SID", help="This one; see `sessions list`.")
@user_option
@unit_option
@type_option
@click.option("--profile", type=click.Choice(get_args(ProfileName)), help="Of this profile.")
@click.option("--address", metavar="CIDR", help="Begun in this range, as 10.20.0.0/16.")
@click.option("--all", "everyone", is_flag=True, help="Of everybody.")
@click.option("--reason", "why", required=True, help="Why, for the audit trail.")
@click.option("--dry-run", is_flag=True, help="Only say how many it would end.")
@yes_option
@as_json_option
def revoke_selected(
    why: str, dry_run: bool, yes: bool, as_json: bool, **chosen: str | bool | None
) -> None:
    """End sessions: every token of them is refused at once.

    Whoever kills it runs the same command again: it goes on, and says what was done before.
    """
    why = checked_reason(why)
    sql = db.session()
    selection = _existing_selection(sql, _selection(chosen))
    selected = count_selected(sql, selection, now=clock.now())
    sql.rollback()  # no transaction stays open while a person thinks
    if dry_run:
        result = {"selected": selected, "ended": 0, "pending": False, "dry_run": True}
        tell(f"Would end {_sessions(selected)}; nothing was done.", result, as_json)
        return
    if selection.everyone:
        demand_agreed_clock(sql)
    if selected:
        ask(f"End {_sessions(selected)}?", yes=yes)
    _revoke_all(sql, selection, why, selected, as_json)


def _revoke_all(sql: Sql, selection: Selection, why: str, selected: int, as_json: bool) -> None:
    run = revocation_runs.begin(sql, selection, why, selected, now=clock.now())
    before = revocation_runs.ended_before(sql, run)
    ended, pending, begun = 0, False, clock.monotonic()
    batches = revoke(sql, selection, why, now=clock.now(), actor=CLI_ACTOR, run=run.id)
    with progress_bar() as progress:
        bar = progress.add_task("Ending sessions", total=selected)
        try:
            for batch in batches:
                ended, pending = ended + batch.ended, not batch.redis_knows
                progress.update(bar, completed=ended, total=max(selected, ended))
        except KeyboardInterrupt:
            raise click.ClickException(_stopped(sql, selection, ended)) from None
    revocation_runs.finish(sql, run, now=clock.now(), ended=ended, remaining=0)
    result = {"selected": selected, "ended": ended, "ended_before": before, "pending": pending,
              "seconds": round(clock.monotonic() - begun, 1), "dry_run": False}  # fmt: skip
    tell(_report(ended, before) + (PENDING if pending else ""), result, as_json)


def _report(ended: int, before: int) -> str:
    words = f"Ended {_sessions(ended)}." if ended else "No live session matches; none was ended."
    if before:
        words += (
            f" An earlier run of this command was cut off after {_sessions(before)}: "
            f"{ended + before} in all."
        )
    return words


def _stopped(sql: Sql, selection: Selection, ended: int) -> str:
    """Say what an interrupted run has done: each batch it finished is committed and stays."""
    sql.rollback()
    left = count_selected(sql, selection, now=clock.now())
    return (
        f"Stopped: ended {_sessions(ended)}, still live: {left}. "
        "Run the same command again for the rest."
    )


def _selection(chosen: dict[str, Any]) -> Selection:
    """Return the one selection that was asked for. Raises UsageError for none or several."""
    given = {name: value for name, value in chosen.items() if value not in (None, False)}
    if len(given) != 1:
        raise click.UsageError(
            "Say one of --session, --user, --unit, --user-type, --profile, --address and --all."
        )
    if "address" in given:
        try:
            return Selection(address_range=parse_range(given["address"]))
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    return Selection(**given)


def _existing_selection(sql: Sql, selection: Selection) -> Selection:
    """Return it in stored spelling; a name that nobody has is a mistake, not `0 ended`.

    Raises UnknownUser, ValidationFailed, ClickException.
    """
    if selection.email is not None:
        return Selection(user_id=service.get_user(sql, selection.email).id)
    if selection.unit is not None:
        return Selection(unit=service.get_unit(sql, selection.unit).name)
    if selection.sid is not None:
        return Selection(sid=selection.sid, owner_id=_owner_of(sql, selection.sid))
    return selection


def _owner_of(sql: Sql, sid: str) -> int:
    owner_id = (
        sql.scalar(select(Session.user_id).where(Session.id == sid)) if sid.isascii() else None
    )
    if owner_id is None:
        raise click.ClickException("There is no session with this id; see `sessions list`.")
    return owner_id


def _rows(
    sql: Sql, filters: list[ColumnElement[bool]], now: datetime, *, limit: int | None
) -> Iterator[Row]:
    found = sql.execute(
        select(Session, User.email, User.user_type, Unit.name)
        .join(User, Session.user_id == User.id)
        .outerjoin(Unit, User.unit_id == Unit.id)
        .where(*filters)
        .order_by(User.email, Session.started_at, Session.id)
        .limit(limit)
    )
    for session, email, user_type, unit in found:
        yield {
            "email": email,
            "user_type": user_type,
            "unit": unit,
            **facts(session, settings(), now),
        }


def _count(sql: Sql, filters: list[ColumnElement[bool]]) -> int:
    people = select(func.count(Session.id)).join(User, Session.user_id == User.id)
    return sql.execute(
        people.outerjoin(Unit, User.unit_id == Unit.id).where(*filters)
    ).scalar_one()  # fmt: skip


def _sessions(count: int) -> str:
    return f"{count} session" if count == 1 else f"{count} sessions"
