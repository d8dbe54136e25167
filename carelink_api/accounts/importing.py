"""Accounts as a CSV file: columns `email`, `name`, `user_type` and `unit`, which may be empty."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Row, select
from sqlalchemy.orm import Session as Sql

from ..csv_lines import Fault, Fields
from ..errors import ValidationFailed
from .models import Unit, User, UserType
from .service import checked_person

REQUIRED = ("email", "name", "user_type", "unit")
Known = Row[int, str, str, str, int | None]


@dataclass(frozen=True, slots=True)
class PersonDraft:
    """One line: what an account is to be, and what it is where there is one."""

    email: str
    name: str
    user_type: UserType
    unit_id: int | None
    known_id: int | None
    changes: tuple[str, ...]
    """In which columns the known account differs, and how: `user_type nurse → doctor`."""


class Directory:
    """Whom and what a file may name, looked up once."""

    def __init__(self, sql: Sql) -> None:
        columns = (User.id, User.email, User.name, User.user_type, User.unit_id)
        self.people: Mapping[str, Known] = {row.email: row for row in sql.execute(select(*columns))}
        self.units: Mapping[str, int] = {
            row.name: row.id for row in sql.execute(select(Unit.name, Unit.id))
        }

    def read(self, fields: Fields, *, may_change: bool) -> PersonDraft:
        """Return what a line says. Raises Fault with everything that is wrong with it.

        That an account differs is a fault unless it `may_change`: an old file must not put
        yesterday's wards back by accident.
        """
        faults: list[str] = []
        unit_id = self.units.get(fields["unit"])
        if fields["unit"] and unit_id is None:
            faults.append("unit: there is no unit of this name")
        try:
            person = checked_person(fields["email"], fields["name"], fields["user_type"].lower())
        except ValidationFailed as failed:
            for name, words in failed.members["errors"].items():
                faults.append(f"{name}: {words[0][0].lower()}{words[0][1:].rstrip('.')}")
        if faults:
            raise Fault("; ".join(faults))
        return self._compared(*person, unit_id, may_change)

    def _compared(
        self, email: str, name: str, user_type: UserType, unit_id: int | None, may_change: bool
    ) -> PersonDraft:
        known = self.people.get(email)
        if known is None:
            return PersonDraft(email, name, user_type, unit_id, None, ())
        units = {id: unit for unit, id in self.units.items()}
        pairs = {
            "name": (known.name, name),
            "user_type": (known.user_type, user_type),
            "unit": (units.get(known.unit_id or 0, "none"), units.get(unit_id or 0, "none")),
        }
        changes = tuple(f"{key} {was} → {new}" for key, (was, new) in pairs.items() if was != new)
        if changes and not may_change:
            raise Fault(f"the account differs ({', '.join(changes)}); --update changes it")
        return PersonDraft(email, name, user_type, unit_id, known.id, changes)
