"""The command line for operations: `flask --app wsgi GROUP COMMAND`."""

from flask import Flask

from .cli_audit_read import audit  # with what `cli_audit` has
from .cli_demo import demo_cli
from .cli_denylist import denylist
from .cli_doctor import doctor
from .cli_housekeep import housekeep
from .cli_keys import keys
from .cli_patients import patients
from .cli_sessions import sessions
from .cli_shifts import shifts
from .cli_units import units
from .cli_users_import import users  # with what `cli_users` has


def register(app: Flask) -> None:
    """Add every command and group of commands to `app`."""
    groups = (users, units, patients, shifts, sessions, denylist, keys, audit)
    for command in (*groups, housekeep, doctor, demo_cli):
        app.cli.add_command(command)
