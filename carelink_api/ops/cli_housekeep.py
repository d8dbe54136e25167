"""Command that runs the housekeeper."""

import signal

import click
from flask.cli import with_appcontext

from .. import clock
from ..extensions import db
from ..housekeeping import Housekeeper, run
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
    chores = Housekeeper(runtime()).round(db.session(), clock.now())
    click.echo(f"Sessions expired: {chores.expired}. Audit events sealed: {chores.sealed}.")
    if chores.ended_again:
        click.echo(
            f"Sessions that Redis knew to have ended and the database did not: "
            f"{chores.ended_again}; ended again. See docs/operations.md, After restoring a backup."
        )
    if not chores.redis_knows:
        raise click.ClickException("Redis does not take what it should hold; try again later.")
