"""Command that loads the demo data; development only."""

import json

import click

from .. import clock
from . import demo
from .output import CommandGroup, as_json_option, show

demo_cli = CommandGroup("demo", help="Demo data, in development only.")


@demo_cli.command("load")
@as_json_option
def load(as_json: bool) -> None:
    """Create demo units, users and appointments, unless other accounts exist."""
    loaded = demo.load(clock.now())
    logins = [login._asdict() for login in demo.LOGINS] if loaded else []
    if as_json:
        click.echo(json.dumps({"loaded": loaded, "logins": logins}, indent=2))
    elif loaded:
        show(logins, ["email", "password", "may"], as_json=False)
    else:
        click.echo("Nothing was loaded: this database holds the demo data, or accounts of others.")
