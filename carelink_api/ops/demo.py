"""Demo data for trying CareLink out. Development only: these passwords are public."""

from datetime import UTC, datetime, time, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from ..accounts.models import Unit, User
from ..accounts.service import create_unit, create_user
from ..clinical.models import Appointment, Patient
from ..clinical.patients.names import name_key
from ..database import writing
from ..errors import Forbidden
from ..extensions import db, settings
from ..session_profiles import ProfileName
from ..shifts.models import Shift
from .demo_records import ensure_records

ACTOR = "demo"


class Login(NamedTuple):
    """A demo account, and what it is there to show."""

    email: str
    password: str
    user_type: Literal["patient", "doctor", "nurse", "researcher", "admin", "ops"]
    unit: str | None
    may: str

    @property
    def name(self) -> str:
        return _NAMES[self.user_type]


UNITS: dict[str, ProfileName | None] = {
    "Ward 7": None,
    "ICU": "high_security",
    "Emergency": "high_security",
}
LOGINS = [
    Login("doctor@demo.example", "amber kettle under seven bridges", "doctor", "Ward 7",
          "list the appointments with this doctor; standard session"),
    Login("patient@demo.example", "slow rivers carry paper lanterns", "patient", None,
          "list this patient's own appointments; standard session"),
    Login("nurse@demo.example", "violet harbour before the thaw", "nurse", "ICU",
          "log in on shift to a high-security session: 5-minute access, 15-minute idle timeout"),
    Login("researcher@demo.example", "granite owls count the winters", "researcher", None,
          "log in to an extended session: 30-minute access, 60-minute idle timeout"),
    Login("admin@demo.example", "copper ladders lean on orchards", "admin", None,
          "log in to an extended session; no clinical data"),
    Login("ops@demo.example", "quiet turbines hum at midnight", "ops", None,
          "log in to a standard session; no clinical data"),
]  # fmt: skip
_NAMES = {
    "doctor": "Dr. Ines Okafor",
    "patient": "Tomas Lindqvist",
    "nurse": "Mirela Santos",
    "researcher": "Haruki Weiss",
    "admin": "Noor Fairbanks",
    "ops": "Piet Marchetti",
}


class _Slot(NamedTuple):
    day: int
    """Days from today."""
    hour: int
    status: Literal["booked", "fulfilled", "cancelled"]
    description: str


_SLOTS = (
    _Slot(-7, 9, "fulfilled", "First consultation"),
    _Slot(-1, 14, "fulfilled", "Blood pressure check"),
    _Slot(0, 0, "booked", "Blood test"),
    _Slot(0, 10, "cancelled", "Physiotherapy"),
    _Slot(0, 23, "booked", "Night observation"),
    _Slot(1, 9, "booked", "Discussion of the results"),
    _Slot(7, 9, "booked", "Follow-up"),
)


def load(now: datetime) -> bool:
    """Create what is missing of the demo data; return whether anything was created.

    Touches nothing where accounts of others exist. Raises Forbidden in production.
    """
    if settings().is_production:
        raise Forbidden("Demo accounts exist only where CARELINK_ENV=development.")
    sql = db.session()
    if _somebody_works_here(sql):
        return False
    units = [_ensure_unit(sql, name, now) for name in UNITS]
    users = [_ensure_user(sql, login, now) for login in LOGINS]
    appointments = _ensure_appointments(sql, now)
    nurse_id = _user_id(sql, "nurse")
    records = nurse_id is not None and ensure_records(sql, nurse_id, now)
    return any([*units, *users, appointments, records, _ensure_roster(sql, now)])


def _somebody_works_here(sql: Sql) -> bool:
    demo_addresses = [login.email for login in LOGINS]
    others = select(User.id).where(User.email.not_in(demo_addresses)).limit(1)
    return sql.scalar(others) is not None


def _ensure_unit(sql: Sql, name: str, now: datetime) -> bool:
    if sql.scalar(select(Unit.id).where(Unit.name == name)) is not None:
        return False
    create_unit(sql, name=name, profile=UNITS[name], now=now, actor=ACTOR)
    return True


def _ensure_user(sql: Sql, login: Login, now: datetime) -> bool:
    if _user_id(sql, login.user_type) is not None:
        return False
    create_user(
        sql,
        email=login.email,
        name=login.name,
        user_type=login.user_type,
        unit_name=login.unit,
        password=login.password,
        now=now,
        actor=ACTOR,
    )
    return True


def _ensure_roster(sql: Sql, now: datetime) -> bool:
    """Put the nurse on shift: for a fortnight at first, and again whenever she is not on."""
    nurse_id = _user_id(sql, "nurse")
    unit = select(Unit.id).where(Unit.name == "ICU").scalar_subquery()
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    hers = (Shift.user_id == nurse_id, Shift.cancelled_at.is_(None))
    with writing(sql):
        present = (Shift.starts_at <= now, Shift.ends_at > now + timedelta(hours=1))
        if sql.scalar(select(Shift.id).where(*hers, *present)) is not None:
            return False
        days = 1 if sql.scalar(select(func.count()).select_from(Shift).where(*hers)) else 14
        for day in range(days):
            begins = start + timedelta(days=day)
            ends = begins + timedelta(hours=12)
            shift = {"user_id": nurse_id, "unit_id": unit, "in_charge": True}
            sql.add(Shift(starts_at=begins, ends_at=ends, **shift))
    return True


def _ensure_appointments(sql: Sql, now: datetime) -> bool:
    doctor_id, patient_id = _user_id(sql, "doctor"), _ensure_record(sql)
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    with writing(sql):
        if sql.scalar(select(func.count()).select_from(Appointment)):
            return False
        for slot in _SLOTS:
            starts_at = midnight + timedelta(days=slot.day, hours=slot.hour)
            sql.add(
                Appointment(
                    doctor_id=doctor_id,
                    patient_id=patient_id,
                    starts_at=starts_at,
                    ends_at=starts_at + timedelta(minutes=30),
                    status=slot.status,
                    description=slot.description,
                )
            )
    return True


def _ensure_record(sql: Sql) -> int:
    """Return the id of the demo patient's own record."""
    account = sql.scalars(select(User).where(User.id == _user_id(sql, "patient"))).one()
    known = sql.scalar(select(Patient.id).where(Patient.user_id == account.id))
    if known is not None:
        return known
    with writing(sql):
        record = Patient(
            mrn="CL-0001", user_id=account.id, name=account.name, name_key=name_key(account.name)
        )
        sql.add(record)
        sql.flush()
        return record.id


def _user_id(sql: Sql, user_type: str) -> int | None:
    address = next(login.email for login in LOGINS if login.user_type == user_type)
    return sql.scalar(select(User.id).where(User.email == address))
