"""Commands on units: wards and departments, with the session profile of each."""

from typing import get_args

import click

from .. import clock
from ..accounts import service
from ..accounts.models import Unit
from ..config import ProfileName
from ..extensions import db
from .output import CLI_ACTOR, CommandGroup, Row, as_json_option, show, tell

units = CommandGroup("units", help="Wards and departments, with the session profile of each.")


@units.command("create")
@click.argument("name")
@click.option("--profile", type=click.Choice(get_args(ProfileName)), help="Session profile.")
@as_json_option
def create(name: str, profile: str | None, as_json: bool) -> None:
    """Create a unit. Without a profile it leaves its people's lifetimes as they are."""
    sql = db.session()
    unit = service.create_unit(sql, name=name, profile=profile, now=clock.now(), actor=CLI_ACTOR)
    tell(f"Created the unit {unit.name}.", _row(unit), as_json)


@units.command("list")
@as_json_option
def list_all(as_json: bool) -> None:
    """Show every unit."""
    show([_row(unit) for unit in service.list_units(db.session())], ["name", "profile"], as_json)


def _row(unit: Unit) -> Row:
    return {"id": unit.id, "name": unit.name, "profile": unit.session_profile}
