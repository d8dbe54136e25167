"""A roster as a CSV file: every line is looked at before any is imported.

Columns `email`, `unit`, `starts_at`, `ends_at` and, where wanted, `in_charge`. A time carries its
offset, or is one of the wall in the zone that the caller names.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..config import Settings
from ..csv_lines import Fault, Fields
from .roster import Draft, working
from .rules import shift_faults

REQUIRED = ("email", "unit", "starts_at", "ends_at")
OPTIONAL = ("in_charge",)
_YES_NO = {"": False, "false": False, "no": False, "0": False, "true": True, "yes": True, "1": True}


class People:
    """Who and what a file may name, looked up once."""

    def __init__(self, sql: Sql, current: Settings) -> None:
        able = (User.disabled_at.is_(None), User.user_type.in_(working(current)))
        users = sql.execute(select(User.email, User.id).where(*able))
        units = sql.execute(select(Unit.name, Unit.id))
        self.users: Mapping[str, int] = {row.email: row.id for row in users}
        self.units: Mapping[str, int] = {row.name: row.id for row in units}


def read_draft(fields: Fields, people: People, zone: tzinfo | None) -> Draft:
    """Return the shift of a line. Raises Fault with everything that is wrong with it."""
    faults: list[str] = []
    user_id = people.users.get(fields["email"].lower())
    if user_id is None:
        faults.append("email: nobody of this address works shifts")
    unit_id = people.units.get(fields["unit"])
    if unit_id is None:
        faults.append("unit: there is no unit of this name")
    in_charge = _YES_NO.get(fields.get("in_charge", "").lower())
    if in_charge is None:
        faults.append("in_charge: is neither true nor false")
    times: dict[str, datetime] = {}
    for name in ("starts_at", "ends_at"):
        try:
            times[name] = moment(fields[name], zone)
        except Fault as fault:
            faults.append(f"{name}: {fault}")
    if len(times) == 2:
        faults += [f"{name}: {each[0]}" for name, each in shift_faults(**times).items()]
    if faults or user_id is None or unit_id is None or in_charge is None:
        raise Fault("; ".join(faults))
    return Draft(user_id, unit_id, times["starts_at"], times["ends_at"], in_charge)


def moment(text: str, zone: tzinfo | None) -> datetime:
    """Read a time of a roster. Raises Fault, also for one that a clock shows twice or never."""
    try:
        found = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        raise Fault("is no time such as 2026-03-28T19:00:00+01:00") from None
    if not 2000 <= found.year <= 2099:
        raise Fault("is not in this century")
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    if zone is None:
        raise Fault("has no offset; add it, or say --timezone")
    here = found.replace(tzinfo=zone)
    if here.utcoffset() != here.replace(fold=1).utcoffset():
        exists = here.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == found
        raise Fault("comes twice that day; add its offset" if exists else "is skipped that day")
    return here.astimezone(UTC)
