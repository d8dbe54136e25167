"""Who works and lies in the demo hospital. Every name is made up, the same each time. Pure."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice, product
from random import Random
from typing import NamedTuple

from ..clinical.patients.names import name_key

DOMAIN = "demo.example"
_SEED = 1854
_OLDEST = date(1932, 2, 11)
_FIRST = (
    "Adaeze", "Agnes", "Amir", "Anneli", "Bao", "Beatriz", "Bogdan", "Carys", "Chiara", "Dalia",
    "Dov", "Eduardo", "Eilidh", "Esra", "Fatou", "Felix", "Gita", "Goran", "Hanne", "Hugo",
    "Ilse", "Imran", "Jolanta", "Jun", "Kofi", "Kirsi", "Leila", "Lorenz", "Maren", "Mateo",
    "Nadia", "Niall", "Oksana", "Olu", "Petra", "Priya", "Quentin", "Rahel", "Rui", "Sanna",
    "Selim", "Tamar", "Thandiwe", "Ulrich", "Vera", "Wei", "Yara", "Zofia",
)  # fmt: skip
_LAST = (
    "Abara", "Ahlgren", "Bakker", "Batista", "Brandvold", "Castellan", "Chowdhry", "Dahlem",
    "Dimitrov", "Eberhart", "Farkas", "Fenwick", "Garrido", "Grünwald", "Haddon", "Hoang",
    "Ibarra", "Jankowiak", "Kallio", "Kaplan", "Kerrigan", "Larsson", "Lindqvist", "Macedo",
    "Mbeki", "Moreau", "Nakagawa", "Novotná", "Obi", "Ostrander", "Pellegrin", "Quist",
    "Rahimi", "Rosenthal", "Sandoval", "Seong", "Tanaka", "Tomescu", "Ueda", "Vasquez",
    "Verhoeven", "Wachira", "Whitlock", "Yilmaz", "Zapata",
)  # fmt: skip


class Person(NamedTuple):
    """Somebody who works there."""

    email: str
    name: str
    user_type: str
    unit: str


class Login(NamedTuple):
    """Somebody whose login is printed, and what it is there to show."""

    email: str
    password: str
    name: str
    user_type: str
    unit: str | None
    may: str
    in_charge: bool = False


class Place(NamedTuple):
    """A unit, and how it is made up."""

    name: str
    profile: str | None
    beds: int
    hours_between_rounds: int


class Admitted(NamedTuple):
    """Somebody who lies in a unit."""

    mrn: str
    name: str
    birth_date: date
    bed: str
    place: Place
    number: int
    """In the unit, from 0."""


LOGINS = (
    Login("doctor@demo.example", "amber kettle under seven bridges",
          "Dr. Ines Okafor", "doctor", "Ward 7",
          "treat eleven patients of Ward 7, book appointments; open any other record in an "
          "emergency"),
    Login("nurse@demo.example", "violet harbour before the thaw",
          "Mirela Santos", "nurse", "ICU",
          "always on shift: rounds, notes and handoffs in the ICU; high-security session: 5-minute "
          "access, 15-minute idle timeout"),
    Login("charge@demo.example", "marble otters guard the ferry",
          "Sunniva Bright", "nurse", "ICU",
          "the same, and in charge: the ICU's roster, and the sessions at its workstations", True),
    Login("emergency@demo.example", "crimson kites over wet slate",
          "Teodor Vance", "nurse", "Emergency",
          "always on shift in Emergency; high-security session"),
    Login("ward@demo.example", "seven lamps beside the orchard wall",
          "Amina Delacroix", "nurse", "Ward 7",
          "always on shift in Ward 7; standard session: 15-minute access, no idle timeout"),
    Login("patient@demo.example", "slow rivers carry paper lanterns",
          "Tomas Lindqvist", "patient", None,
          "read the own record, book appointments, and see who has opened it"),
    Login("researcher@demo.example", "granite owls count the winters",
          "Haruki Weiss", "researcher", None,
          "read numbers about ten patients or more, by the API; extended session: 30-minute "
          "access, 60-minute idle timeout"),
    Login("admin@demo.example", "copper ladders lean on orchards",
          "Noor Fairbanks", "admin", None,
          "accounts and one-time codes at /ops/, and the review of broken glass (two wait, one is "
          "overdue); any roster by the API; no patient data"),
    Login("ops@demo.example", "quiet turbines hum at midnight",
          "Piet Marchetti", "ops", None,
          "see and end sessions in the console at /ops/; standard session; no patient data"),
)  # fmt: skip
COLLEAGUES_PASSWORD = "herons cross a silent paddock"  # noqa: S105  # printed, like the others
"""Of everybody else who works there; they are on shift when the roster says so."""
PLACES = (
    Place("ICU", "high_security", 12, 1),
    Place("Emergency", "high_security", 16, 2),
    Place("Ward 7", None, 32, 4),
)
TEAMS = 3
"""Of each unit: one for the day, the evening and the night."""
NURSES_PER_TEAM = 5
DOCTORS = 3
"""Of each unit."""
_STAFF = len(PLACES) * (TEAMS * NURSES_PER_TEAM + DOCTORS)
LINKED = ("Ward 7", 0)
"""Whose record the printed patient's account is linked to."""
LINKED_NAME = next(login.name for login in LOGINS if login.user_type == "patient")


def colleagues() -> list[Person]:
    """Return everyone who works there beside those whose logins are printed."""
    names = _names()
    return [
        _person(next(names), user_type, place.name)
        for place in PLACES
        for user_type, count in (("nurse", TEAMS * NURSES_PER_TEAM), ("doctor", DOCTORS))
        for _ in range(count)
    ]


def admitted() -> list[Admitted]:
    """Return everyone who lies there, a unit after the other."""
    chance = Random(_SEED)  # noqa: S311  # made up, no secret
    names = islice(_names(), _STAFF, None)
    return [
        Admitted(
            mrn=f"CL-{4000 + 100 * order + 3 * number}",
            name=LINKED_NAME if (place.name, number) == LINKED else next(names),
            birth_date=_OLDEST + timedelta(days=chance.randrange(75 * 365)),
            bed=f"{place.name[0]}{number + 1:02}",
            place=place,
            number=number,
        )
        for order, place in enumerate(PLACES, 1)
        for number in range(place.beds)
    ]


def _names() -> Iterator[str]:
    """Yield names, none twice."""
    pairs = [f"{first} {last}" for first, last in product(_FIRST, _LAST)]
    Random(_SEED).shuffle(pairs)  # noqa: S311
    return iter(pairs)


def _person(name: str, user_type: str, unit: str) -> Person:
    address = name_key(name).replace(" ", ".")
    shown = f"Dr. {name}" if user_type == "doctor" else name
    return Person(f"{address}@{DOMAIN}", shown, user_type, unit)
