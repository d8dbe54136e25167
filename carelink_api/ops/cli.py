"""The command line for operations: `flask --app wsgi GROUP COMMAND`."""

from flask import Flask

from .cli_demo import demo_cli
from .cli_housekeep import housekeep
from .cli_units import units
from .cli_users import users


def register(app: Flask) -> None:
    """Add every group of commands to `app`."""
    for group in (users, units, demo_cli):
        app.cli.add_command(group)
    app.cli.add_command(housekeep)
