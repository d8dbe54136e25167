"""Commands on patients' accounts. Nothing of a record is shown here, not even a name."""

from dataclasses import asdict

import click

from .. import clock
from ..clinical.patients import linking, marking
from ..extensions import db
from .output import CLI_ACTOR, CommandGroup, as_json_option, ask, tell, yes_option

patients = CommandGroup(
    "patients", help="Which account is the patient's own, and whose record it is."
)


@patients.command("link")
@click.argument("email")
@click.argument("mrn")
@yes_option
@as_json_option
def link(email: str, mrn: str, yes: bool, as_json: bool) -> None:
    """Let a patient's account read the record with this MRN as its own."""
    ask(f"Open the record {mrn} to {email}? What they have read cannot be taken back.", yes=yes)
    made = linking.link_account(db.session(), email, mrn, now=clock.now(), actor=CLI_ACTOR)
    tell(f"Linked {made.email} to the record {made.mrn}.", asdict(made), as_json)


@patients.command("unlink")
@click.argument("email")
@yes_option
@as_json_option
def unlink(email: str, yes: bool, as_json: bool) -> None:
    """Close the record to the account it is linked to; the account stays."""
    ask(f"Close the own record to {email}?", yes=yes)
    ended = linking.unlink_account(db.session(), email, now=clock.now(), actor=CLI_ACTOR)
    tell(f"Unlinked {ended.email} from the record {ended.mrn}.", asdict(ended), as_json)


@patients.command("mark")
@click.argument("mrn")
@click.option("--staff", "email", metavar="EMAIL", help="It is the record of this member of staff.")
@click.option("--no-staff", is_flag=True, help="It is nobody's of the staff.")
@click.option("--vip/--no-vip", default=None, help="It is of somebody of public interest, or not.")
def mark(mrn: str, email: str | None, no_staff: bool, vip: bool | None) -> None:
    """Say whose record it is, so that an emergency access to it is flagged for its review."""
    if (email is not None and no_staff) or (email is None and not no_staff and vip is None):
        raise click.UsageError(
            "Say --staff EMAIL or --no-staff, --vip or --no-vip, or two of them."
        )
    sql, now = db.session(), clock.now()
    if email is not None or no_staff:
        marking.mark_staff(sql, mrn, email, now=now, actor=CLI_ACTOR)
    if vip is not None:
        marking.mark_vip(sql, mrn, vip=vip, now=now, actor=CLI_ACTOR)
    click.echo(f"Marked the record {mrn.strip().upper()}.")
