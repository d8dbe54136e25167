"""Commands on the audit trail: verify it, look into it, hand it on."""

from dataclasses import asdict
from pathlib import Path

import click

from .. import clock
from ..audit.checkpoints import read_outside
from ..audit.events import Event, Outcome
from ..audit.faults import Report
from ..audit.keys import AuditKeys
from ..audit.nightly import keep_whole
from ..audit.record import record
from ..audit.sealing import adopt, last_of_others
from ..audit.unsealed import late_after
from ..audit.verifying import Verifier, count_sealed
from ..database import writing
from ..extensions import db, settings
from .output import CLI_ACTOR, CommandGroup, as_json_option, ask, progress_bar, tell, yes_option

audit = CommandGroup("audit", help="The audit trail.")


@audit.command("verify")
@click.option(
    "--checkpoints",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file (or log) of checkpoints from outside; default: CARELINK_AUDIT_CHECKPOINT_FILE.",
)
@as_json_option
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Check every event, block and checkpoint; exit 1 on the first sign of a change."""
    sql, began_at = db.session(), clock.now()
    keys = AuditKeys.from_settings(settings())
    kept = settings().audit_checkpoint_file
    outside, unread = read_outside(files or ((Path(kept),) if kept else ()))
    with progress_bar() as progress:
        bar = progress.add_task("Verifying", total=count_sealed(sql))
        verifier = Verifier(
            sql,
            keys,
            lambda events: progress.update(bar, advance=events),
            sealed_until=clock.now() - late_after(settings().audit_seal_interval),
        )
        last = None
        for last in verifier.steps(outside):  # noqa: B007 - the last of them
            pass
    report = verifier.report
    report.faults += unread
    if last is None or last.key_id in keys.known:  # else the key is elsewhere, and no judge here
        keep_whole(sql, keys, report, last, CLI_ACTOR, began_at)
    tell(_said(report), {"ok": report.ok, **_facts(report)}, as_json)
    if not report.ok:
        raise click.ClickException(f"The trail is not whole: {len(report.faults)} found.")


@audit.command("adopt")
@yes_option
def adopt_blocks(yes: bool) -> None:
    """After a change of keys whose old one is gone: vouch for the blocks that it has sealed."""
    sql, keys = db.session(), AuditKeys.from_settings(settings())
    last = last_of_others(sql, keys)
    if last is None:
        raise click.ClickException("No block before the present key's was sealed by another.")
    sql.rollback()
    ask(
        f"Were the {last.number} blocks until {last.sealed_at:%Y-%m-%d %H:%M}Z sealed by a key of"
        " yours? Their head must be what your records say of that time:"
        f" {last.head.hex()}. Vouch for them?",
        yes=yes,
    )
    with writing(sql):
        adopt(sql, keys, last, clock.now())
        record(
            sql,
            Event.AUDIT_ADOPTED,
            now=clock.now(),
            outcome=Outcome.ALERT,
            actor=CLI_ACTOR,
            through_block=last.number,
        )
    tell(f"Blocks 1 to {last.number} are vouched for.", {}, as_json=False)


def _facts(report: Report) -> dict[str, object]:
    facts = asdict(report)
    facts["faults"] = [asdict(found) | {"says": str(found)} for found in report.faults]
    return facts


def _said(report: Report) -> str:
    span = ""
    if report.oldest_at and report.newest_at:
        span = f" from {report.oldest_at:%Y-%m-%d %H:%M} to {report.newest_at:%Y-%m-%d %H:%M}"
    lines = [
        f"{report.events} events{span}, seq {report.first_seq or 0} to {report.last_seq},"
        f" in {report.blocks} blocks; {report.unsealed} not sealed yet, {report.erased} erased."
        f" Checkpoints: {report.checkpoints} in the database, {report.outside} outside.",
    ]
    if report.known_since:
        lines.append(
            f"The first {report.unknown_keys} blocks were sealed by keys that are not here. Was"
            f" the key changed by {report.known_since:%Y-%m-%d %H:%M}? If not, they are forged."
        )
    if not report.outside:
        lines.append("Without checkpoints from outside a cut tail or an old backup may go unseen.")
    lines += [str(found) for found in report.faults]
    return "\n".join(lines) if report.faults else " ".join([*lines, "All of it is whole."])
