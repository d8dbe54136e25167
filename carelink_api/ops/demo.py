"""The demo hospital, for trying CareLink out. Development only: its passwords are public.

It is made once, in an empty database, whole or not at all. Each later start lets it go on: the
roster reaches a week ahead, and the rounds of the time since are written (those of two days at
most), so that the nurses whose logins are printed are on shift whenever it is started.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..accounts.passwords import passwords
from ..audit.events import Event
from ..audit.models import AuditEvent
from ..audit.record import event_values
from ..clinical.models import Patient
from ..clinical.patients.names import name_key
from ..database import writing
from ..errors import Forbidden
from ..extensions import db, settings
from ..sessions.following import Cause
from ..sessions.importing import import_shifts
from ..shifts.models import Shift
from ..shifts.roster import Draft
from . import demo_records, demo_visits
from .demo_house import House, find_house
from .demo_people import (
    COLLEAGUES_PASSWORD,
    LINKED,
    LOGINS,
    PLACES,
    Login,
    Person,
    admitted,
    colleagues,
)
from .demo_roster import slot_at, slots

__all__ = ["COLLEAGUES_PASSWORD", "LOGINS", "Login", "go_on", "load"]
ACTOR = "demo"
_AHEAD = timedelta(days=7)
"""How far the roster reaches."""
_BEFORE = timedelta(days=3)
"""Where it begins: who has written something then was on shift."""
_SOON = timedelta(hours=2)
"""When a shift ends so soon, who is always there stays for the next one."""


def load(now: datetime) -> bool:
    """Make the demo hospital where the database is empty, else let it go on; say which.

    Touches nothing where the accounts are others'. Raises Forbidden in production.
    """
    if settings().is_production:
        raise Forbidden("Demo accounts exist only where CARELINK_ENV=development.")
    sql = db.session()
    made = sql.scalar(select(User.id).limit(1)) is None
    if made:
        _make(sql, now)
    go_on(now)
    return made


def go_on(now: datetime) -> None:
    """Keep the roster, and write the rounds that have been due; nothing without the hospital."""
    sql = db.session()
    house = find_house(sql)
    if house is None:
        return
    cause = Cause(ACTOR, "The roster of the demo hospital", now)
    import_shifts(sql, list(_drafts(sql, house, now)), cause, done=lambda _: None)
    with writing(sql):
        demo_records.write_rounds(sql, house, now)


def _make(sql: Sql, now: datetime) -> None:
    hashes = _hashes()  # before the transaction: they take long
    with writing(sql):
        units = {place.name: Unit(name=place.name, session_profile=place.profile)
                 for place in PLACES}  # fmt: skip
        sql.add_all(units.values())
        sql.flush()
        users = {user.email: user for user in _users(units, hashes, now)}
        sql.add_all(users.values())
        sql.flush()
        _audit(sql, units.values(), users.values(), now)
        account = next(login.email for login in LOGINS if login.user_type == "patient")
        sql.add_all(_patients(units, users[account], now))
        sql.flush()
        house = find_house(sql)
        assert house is not None  # just made
        demo_records.write_records(sql, house, now)
        demo_visits.book(sql, house, now)
        demo_visits.break_glass(sql, house, now)


def _hashes() -> dict[str, str]:
    """Return the hash of each password, by e-mail; "" stands for all the colleagues."""
    own = {login.email: passwords().hash(login.password) for login in LOGINS}
    return own | {"": passwords().hash(COLLEAGUES_PASSWORD)}


def _users(units: dict[str, Unit], hashes: dict[str, str], now: datetime) -> Iterator[User]:
    everyone: list[Login | Person] = [*LOGINS, *colleagues()]
    for each in everyone:
        yield User(
            email=each.email,
            name=each.name,
            user_type=each.user_type,
            unit_id=units[each.unit].id if each.unit else None,
            password_hash=hashes.get(each.email, hashes[""]),
            created_at=now,
            password_changed_at=now,
            failed_logins=0,
        )


def _audit(sql: Sql, units: Any, users: Any, now: datetime) -> None:
    told: dict[str, Any] = {"now": now, "actor": ACTOR}
    made = [
        event_values(Event.UNIT_CREATED, unit_id=unit.id, profile=unit.session_profile, **told)
        | {"user_id": None}
        for unit in units
    ]
    made += [
        event_values(Event.USER_CREATED, user_type=user.user_type, unit_id=user.unit_id, **told)
        | {"user_id": user.id}
        for user in users
    ]
    sql.execute(insert(AuditEvent), made)


def _patients(units: dict[str, Unit], account: User, now: datetime) -> Iterator[Patient]:
    for who in admitted():
        yield Patient(
            mrn=who.mrn,
            name=who.name,
            name_key=name_key(who.name),
            birth_date=who.birth_date,
            user_id=account.id if (who.place.name, who.number) == LINKED else None,
            unit_id=units[who.place.name].id,
            bed=who.bed,
            admitted_at=demo_records.admitted_at(who, now),
        )


def _drafts(sql: Sql, house: House, now: datetime) -> Iterator[Draft]:
    """Yield the shifts that the roster still needs; of those already there, some."""
    until = now + _AHEAD
    teams = [nurse for unit in house.teams.values() for team in unit for nurse in team]
    theirs = (Shift.user_id.in_(teams), Shift.starts_at < until)
    last = sql.scalar(select(func.max(Shift.starts_at)).where(*theirs))
    reached = now - _BEFORE if last is None else last + timedelta(seconds=1)
    for slot in slots(max(reached, now - _BEFORE), until):
        for unit, unit_id in house.units.items():
            for place, nurse in enumerate(house.nurses_at(unit, slot.starts_at)):
                yield Draft(nurse, unit_id, slot.starts_at, slot.ends_at, in_charge=place == 0)
    for slot in sorted({slot_at(now), slot_at(now + _SOON)}):
        for unit, unit_id in house.units.items():
            for nurse in house.always_there[unit]:
                leads = nurse in house.in_charge
                yield Draft(nurse, unit_id, slot.starts_at, slot.ends_at, in_charge=leads)
