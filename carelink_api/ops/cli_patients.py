"""Commands on patients' accounts. Nothing of a record is shown here, not even a name."""

from dataclasses import asdict

import click

from .. import clock
from ..clinical.patients import linking
from ..extensions import db
from .output import CLI_ACTOR, CommandGroup, as_json_option, ask, tell, yes_option

patients = CommandGroup("patients", help="Which account is the patient's own.")


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
