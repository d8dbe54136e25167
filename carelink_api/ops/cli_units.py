"""Commands on units: wards and departments, with the session profile of each."""

from typing import get_args

import click

from .. import clock
from ..accounts import service
from ..accounts.models import Unit
from ..extensions import db
from ..session_profiles import ProfileName
from ..sessions import accounts as sessions_of
from .output import (
    CLI_ACTOR,
    PENDING,
    CommandGroup,
    Row,
    as_json_option,
    ask,
    show,
    tell,
    yes_option,
)

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


@units.command("change")
@click.argument("name")
@click.option("--profile", type=click.Choice(get_args(ProfileName)), help="The new profile.")
@click.option("--no-profile", is_flag=True, help="Leave its people's lifetimes as they are.")
@yes_option
@as_json_option
def change(name: str, profile: str | None, no_profile: bool, yes: bool, as_json: bool) -> None:
    """Change a unit's session profile; sessions that would now be stricter end."""
    if (profile is None) != no_profile:
        raise click.UsageError("Choose one of --profile and --no-profile.")
    sql = db.session()
    unit = service.get_unit(sql, name)
    unit_id, known_as = unit.id, unit.name
    sql.rollback()
    ask(f"Change the profile of {known_as}? Sessions there may end.", yes=yes)
    ended, redis_knows = sessions_of.change_unit_profile(
        sql, unit_id, profile, now=clock.now(), actor=CLI_ACTOR
    )
    facts = {"name": known_as, "sessions_ended": ended, "pending": not redis_knows}
    words = f"Changed the profile of {known_as}; sessions ended: {ended}."
    tell(words + ("" if redis_knows else PENDING), facts, as_json)


def _row(unit: Unit) -> Row:
    return {"id": unit.id, "name": unit.name, "profile": unit.session_profile}
