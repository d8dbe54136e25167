"""Command that makes the demo hospital; development only."""

import json

import click

from .. import clock
from . import demo
from .output import CommandGroup, as_json_option, show

demo_cli = CommandGroup("demo", help="The demo hospital, in development only.")


@demo_cli.command("load")
@as_json_option
def load(as_json: bool) -> None:
    """Make the demo hospital in an empty database; later, let its roster and rounds go on."""
    loaded = demo.load(clock.now())
    logins = [login._asdict() for login in demo.LOGINS] if loaded else []
    if as_json:
        click.echo(json.dumps({"loaded": loaded, "logins": logins}, indent=2))
    elif loaded:
        show(logins, ["email", "password", "may"], as_json=False)
    else:
        click.echo(
            "Nothing was loaded: this database holds accounts. The demo hospital's roster goes on."
        )
