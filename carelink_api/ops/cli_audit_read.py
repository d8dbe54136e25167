"""Commands that read the audit trail; each leaves an event itself."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from .. import clock
from ..accounts import service
from ..audit.checkpoints import read_outside
from ..audit.classes import Retention, class_of
from ..audit.events import Event, Outcome
from ..audit.excerpt import newest_id, verify_excerpt
from ..audit.faults import Found
from ..audit.fhir import bundle
from ..audit.keys import AuditKeys
from ..audit.reading import (
    SORTABLE,
    Filter,
    as_json,
    count_events,
    list_events,
    stream_events,
)
from ..audit.record import record
from ..audit.reviews import Review, list_reviews, sign_off
from ..audit.unsealed import late_after
from ..audit.verifying import count_sealed
from ..database import writing
from ..extensions import db, settings
from .cli_audit import audit as audit  # the group, to which these are added
from .output import CLI_ACTOR, as_json_option, printable, progress_bar, show, tell

_COLUMNS = ["id", "recorded_at", "event", "outcome", "reason", "actor", "role", "user_id",
            "patients", "address", "retention_class", "kept_until"]  # fmt: skip
_NOT_WHOLE = 3
"""How `export` ends where it was told to hand on what does not verify."""
_REVIEW_COLUMNS = ["id", "reviewed_at", "reviewer", "since", "until", "scope", "events", "findings",
                   "follow_up"]  # fmt: skip
Command = TypeVar("Command", bound=Callable[..., Any])


class Moment(click.ParamType[datetime]):
    """A day or a time of RFC 3339; without an offset it is UTC."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail("must be like 2026-11-22 or 2026-11-22T06:30:00Z.", param, ctx)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def filtered(command: Command) -> Command:
    """Add the options that choose events."""
    for option in (
        click.option("--outcome", type=click.Choice([str(each) for each in Outcome])),
        click.option("--event", help="Such as session:reused, or all that begin so: `login:`."),
        click.option("--patient", "patient_id", type=int, help="Whose data it was about: the id."),
        click.option("--user", "email", metavar="EMAIL", help="By or about this account."),
        click.option("--until", type=Moment(), help="Before this day or time."),
        click.option("--since", type=Moment(), help="From this day or time on."),
    ):
        command = option(command)
    return command


def _filter(chosen: dict[str, Any]) -> Filter:
    """Return the filter. Raises UnknownUser."""
    email = chosen.pop("email")
    user_id = service.get_user(db.session(), email).id if email is not None else None
    return Filter(user_id=user_id, **chosen)


@audit.command("list")
@filtered
@click.option("--sort", type=click.Choice(SORTABLE), default="id", help="By this field.")
@click.option("--ascending", is_flag=True, help="The least first, instead of the last.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@as_json_option
def list_trail(sort: str, ascending: bool, limit: int, as_json: bool, **chosen: Any) -> None:
    """Show events: the newest first, unless it is sorted otherwise."""
    sql = db.session()
    which = _filter(chosen)
    rows = list_events(sql, which, sort=sort, descending=not ascending, limit=limit)
    total = count_events(sql, which)
    _record(Event.TRAIL_READ, which, events=len(rows))
    kept = Retention.from_settings(settings())
    show([_shown(row, kept) if as_json else _kept(row, kept) for row in rows], _COLUMNS, as_json)
    if not as_json and total > len(rows):
        click.echo(f"{len(rows)} of {total}: narrow it, or ask for more with --limit.")


@audit.command("export")
@filtered
@click.option("--format", "form", type=click.Choice(["jsonl", "fhir"]), default="jsonl")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A new file; default: stdout."
)
@click.option(
    "--despite-faults", is_flag=True, help="Export although it does not verify; ends with 3."
)
def export(form: str, output: Path | None, despite_faults: bool, **chosen: Any) -> None:
    """Write events, the oldest first: a line each, or a line for each FHIR Bundle of 500.

    Before that, what is exported is verified: the chain, and all events of the period.
    """
    sql = db.session()
    which, through = _filter(chosen), newest_id(sql)
    found = _verified(which, through)
    _record(Event.AUDIT_EXPORTED, which, format=form, faults=len(found), despite=despite_faults)
    if found:
        click.echo(printable("\n".join(map(str, found))), err=True)
    if found and not despite_faults:
        raise click.ClickException(
            f"Not exported: the trail is not whole ({len(found)} found). Verify where its key is;"
            " --despite-faults exports all the same."
        )
    count = _write(output, which, through, form)
    if output is not None:
        events = "1 event" if count == 1 else f"{count} events"
        tell(f"Exported {events} to {output}.", {}, as_json=False)
    if found:
        click.echo("Exported although the trail is not whole.", err=True)
        raise click.exceptions.Exit(_NOT_WHOLE)


def _verified(which: Filter, through: int) -> list[Found]:
    sql, kept = db.session(), settings().audit_checkpoint_file
    outside, unread = read_outside((Path(kept),) if kept else ())
    with progress_bar() as progress:
        bar = progress.add_task("Verifying", total=count_sealed(sql))
        report = verify_excerpt(
            sql,
            AuditKeys.from_settings(settings()),
            which,
            through,
            lambda events: progress.update(bar, advance=events),
            sealed_until=clock.now() - late_after(settings().audit_seal_interval),
            outside=outside,
            unread=unread,
        )
    return report.faults


def _write(output: Path | None, which: Filter, through: int, form: str) -> int:
    sql, count = db.session(), 0
    with _opened(output) as file, progress_bar() as progress:
        bar = progress.add_task("Exporting", total=None)
        for page in stream_events(sql, which, through):
            file.writelines(line + b"\n" for line in _lines(page, form))
            count += len(page)
            progress.update(bar, completed=count)
    return count


def _lines(page: list[dict[str, Any]], form: str) -> Iterable[bytes]:
    if form == "fhir":
        return [orjson.dumps(bundle(page))]
    kept = Retention.from_settings(settings())
    return [orjson.dumps(as_json(event, kept)) for event in page]


def _opened(output: Path | None) -> Any:
    """Return the file, which must be new, and only its owner reads. Raises ClickException."""
    if output is None:
        sys.stdout.flush()
        return nullcontext(sys.stdout.buffer)
    try:
        return open(output, "xb", opener=lambda path, flags: os.open(path, flags, 0o600))
    except OSError as fault:
        raise click.ClickException(f"{output} cannot be written: {fault.strerror}.") from None


def _record(event: Event, which: Filter, **detail: Any) -> None:
    sql = db.session()
    with writing(sql):
        about = [which.patient_id] if which.patient_id is not None else []
        record(
            sql,
            event,
            now=clock.now(),
            actor=CLI_ACTOR,
            user_id=which.user_id,
            patient_ids=about,
            by=which.named(),
            **detail,
        )


def _shown(event: dict[str, Any], kept: Retention) -> dict[str, Any]:
    return {name: value for name, value in as_json(event, kept).items() if name != "salt"}


def _kept(event: dict[str, Any], kept: Retention) -> dict[str, Any]:
    """Return an event as a table shows it, with its class and until when it is kept."""
    until = kept.until(event["event"], event["recorded_at"])
    return event | {
        "retention_class": str(class_of(event["event"])), "kept_until": until.date().isoformat()
    }  # fmt: skip


@audit.command("review")
@filtered
@click.option("--reviewer", required=True, help="Who has looked: a name.")
@click.option("--findings", required=True, help="What was found; without patients' names.")
@click.option("--follow-up", is_flag=True, help="Something has to be done about it.")
@as_json_option
def review(reviewer: str, findings: str, follow_up: bool, as_json: bool, **chosen: Any) -> None:
    """Sign off that somebody has reviewed the events of a period."""
    if chosen["since"] is None or chosen["until"] is None:
        raise click.ClickException("A review is of a period: give --since and --until.")
    sql, said = db.session(), Review(reviewer.strip(), findings.strip(), follow_up)
    if not 1 <= len(said.reviewer) <= 100 or not 1 <= len(said.findings) <= 4000:
        raise click.ClickException("--reviewer takes 1 to 100 characters, --findings 1 to 4000.")
    which = _filter(chosen)
    with writing(sql):
        review_id = sign_off(sql, which, said, now=clock.now(), actor=CLI_ACTOR)
    tell(f"Review {review_id} is signed off.", {"review": review_id}, as_json)


@audit.command("reviews")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json_option
def reviews(limit: int, as_json: bool) -> None:
    """Show what was reviewed, by whom, and what was found; the newest first."""
    show(list_reviews(db.session(), limit), _REVIEW_COLUMNS, as_json)
