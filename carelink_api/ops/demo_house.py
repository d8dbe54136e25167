"""The demo hospital as the database holds it: who is who, by id."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..clinical.models import Patient
from .demo_people import (
    LINKED,
    LOGINS,
    NURSES_PER_TEAM,
    PLACES,
    Admitted,
    Login,
    Person,
    admitted,
    colleagues,
)
from .demo_roster import on_duty, slot_at

UNITS = [place.name for place in PLACES]


class Lying(NamedTuple):
    """A patient, and the id of the record."""

    id: int
    who: Admitted


class House(NamedTuple):
    units: dict[str, int]
    teams: dict[str, list[list[int]]]
    """The nurses of a unit whom the roster sends home again, by team."""
    always_there: dict[str, list[int]]
    """The nurses of a unit whose logins are printed."""
    in_charge: frozenset[int]
    """Who of the latter leads a unit."""
    doctors: dict[str, list[int]]
    patients: list[Lying]

    @property
    def linked(self) -> Lying:
        """The patient whose account is printed."""
        return next(
            each for each in self.patients if (each.who.place.name, each.who.number) == LINKED
        )

    def nurses_at(self, unit: str, moment: datetime) -> list[int]:
        """Return the nurses of a unit who work then, without those in `always_there`."""
        return on_duty(self.teams[unit], slot_at(moment))

    def carers_at(self, unit: str, moment: datetime) -> list[int]:
        """Return who looks after patients: the printed nurses first, then their colleagues."""
        printed = [nurse for nurse in self.always_there[unit] if nurse not in self.in_charge]
        return printed + self.nurses_at(unit, moment)


def find_house(sql: Sql) -> House | None:
    """Return the demo hospital; None where the database does not hold the whole of it."""
    units: dict[str, int] = dict(sql.execute(select(Unit.name, Unit.id)).all())
    people: dict[str, int] = dict(sql.execute(select(User.email, User.id)).all())
    records: dict[str, int] = dict(sql.execute(select(Patient.mrn, Patient.id)).all())
    staff, lying = colleagues(), admitted()
    everyone: list[Login | Person] = [*LOGINS, *staff]
    whole = (
        all(unit in units for unit in UNITS)
        and all(person.email in people for person in everyone)
        and all(patient.mrn in records for patient in lying)
    )
    if not whole:
        return None

    def of(whom: Sequence[Login | Person], unit: str, user_type: str) -> list[int]:
        working = (each for each in whom if (each.unit, each.user_type) == (unit, user_type))
        return [people[each.email] for each in working]

    return House(
        units={place.name: units[place.name] for place in PLACES},
        teams={unit: _teams(of(staff, unit, "nurse")) for unit in UNITS},
        always_there={unit: of(LOGINS, unit, "nurse") for unit in UNITS},
        in_charge=frozenset(people[login.email] for login in LOGINS if login.in_charge),
        doctors={unit: of(everyone, unit, "doctor") for unit in UNITS},
        patients=[Lying(records[patient.mrn], patient) for patient in lying],
    )


def _teams(nurses: Sequence[int]) -> list[list[int]]:
    return [
        list(nurses[start : start + NURSES_PER_TEAM])
        for start in range(0, len(nurses), NURSES_PER_TEAM)
    ]
