"""Command that runs the housekeeper."""

import signal

import click
from flask.cli import with_appcontext

from .. import clock
from ..extensions import db
from ..housekeeping.keeper import Housekeeper
from ..housekeeping.running import run
from ..sessions.runtime import runtime
from ..stopping import StopFlag
from .output import plain_failures


@click.command("housekeep")
@click.option("--once", is_flag=True, help="Do one round and stop; exit 1 if it was not complete.")
@with_appcontext
@plain_failures()
def housekeep(once: bool) -> None:
    """Publish to Redis what it has missed, expire sessions, seal and prune the audit trail.

    Runs until it is told to stop. What it signs stands on standard output, for a log shipper.
    """
    if once:
        _do_once()
        return
    stopping = StopFlag()
    stopping.listen(signal.SIGINT, signal.SIGTERM)
    run(runtime(), stopping)


def _do_once() -> None:
    """Do all that is due, in as many pieces as it takes."""
    keeper = Housekeeper(runtime(), hurried=True)
    rounds = [keeper.round(db.session(), clock.now())]
    while rounds[-1].more or rounds[-1].verifying:
        rounds.append(keeper.round(db.session(), clock.now()))
    expired, sealed = sum(each.expired for each in rounds), sum(each.sealed for each in rounds)
    click.echo(f"Sessions expired: {expired}. Audit events sealed: {sealed}.")
    if ended_again := sum(each.ended_again for each in rounds):
        click.echo(
            f"Sessions that Redis knew to have ended and the database did not: "
            f"{ended_again}; ended again. See docs/operations.md, After restoring a backup."
        )
    if not rounds[-1].redis_knows:
        raise click.ClickException("Redis does not take what it should hold; try again later.")
    if (off := rounds[-1].clock_off) is not None:
        raise click.ClickException(
            f"This machine's clock and the database's are {off.total_seconds():.0f} s apart: "
            "nothing was ended or removed by time. Let NTP set both."
        )
