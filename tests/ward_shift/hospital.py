"""The hospital of the simulated shift: five units, each of six nurses, two doctors, 12 patients.

For a full house: `BEDS=40 python -m pytest tests/ward_shift`.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy.orm import Session as Sql

from carelink_api.clinical.models import CareTeamMember, Patient
from carelink_api.clinical.patients.names import name_key
from carelink_api.clinical.record_models import PatientOwner
from carelink_api.shifts.models import Shift
from tests.auth_helper import Auth
from tests.clinical.ward import Ward
from tests.ward_shift.ledger import Ledger
from tests.ward_shift.staff import Client, Doctor, Nurse, Workers

HOUR = timedelta(hours=1)
LENGTH, HANDOFF = 12 * HOUR, HOUR / 2
UNITS = ("ICU", "Ward 1", "Ward 2", "Ward 3", "Ward 4")
BEDS, NURSES, DOCTORS = int(os.environ.get("BEDS", "12")), 6, 2


@dataclass
class Hospital:
    """Everybody, by unit and in the same order: the first nurse is in charge."""

    starts_at: datetime
    day: list[list[Nurse]]
    night: list[list[Nurse]]
    doctors: list[Doctor]
    admin: Client

    @property
    def on_duty(self) -> list[Nurse]:
        return [nurse for unit in self.day for nurse in unit]

    @property
    def relief(self) -> list[Nurse]:
        return [nurse for unit in self.night for nurse in unit]


def build(apps: list[Flask], ledger: Ledger, starts_at: datetime) -> tuple[Workers, Hospital]:
    """Write units, patients, rosters and care teams; nobody is logged in yet."""
    workers = Workers(apps)
    auth, ward = workers.all[0], Ward(apps[0])
    day, night, doctors = [], [], []
    for name in UNITS:
        unit_id = ward.unit(name, "high_security" if name == "ICU" else None)
        patients = _patients(workers, unit_id, name, starts_at)
        day.append(_team(workers, ledger, auth, name, unit_id, "day", starts_at))
        night.append(_team(workers, ledger, auth, name, unit_id, "night", starts_at + LENGTH))
        for number, nurse in enumerate(day[-1]):
            nurse.patients = patients[number::NURSES]
            ledger.owners |= dict.fromkeys(nurse.patients, nurse.account.id)
        for number in range(DOCTORS):
            account = auth.create_user(_address(name, f"doctor{number}"), "doctor", unit=name)
            theirs = patients[number::DOCTORS]
            doctor = Doctor(workers, ledger, account, ahead=True, patients=theirs)
            doctor.works_until = starts_at + 11 * HOUR
            doctors.append(doctor)
    admin = Client(workers, ledger, auth.create_user("admin@house.example", "admin"), ahead=False)
    with Sql(workers.engine) as sql:
        for doctor in doctors:
            tie = {"user_id": doctor.account.id, "role": "attending"}
            for patient_id in doctor.patients:
                since = {"starts_at": starts_at - 24 * HOUR}
                sql.add(CareTeamMember(patient_id=patient_id, **tie, **since))
        for patient_id, user_id in ledger.owners.items():
            sql.add(PatientOwner(patient_id=patient_id, user_id=user_id, since=starts_at))
        sql.commit()
    return workers, Hospital(starts_at, day, night, doctors, admin)


def _patients(workers: Workers, unit_id: int, unit: str, now: datetime) -> list[int]:
    with Sql(workers.engine) as sql:
        lying = [
            Patient(
                mrn=f"{unit.replace(' ', '').upper()}-{bed:03}",
                name=f"Patient {bed}",
                name_key=name_key(f"Patient {bed}"),
                unit_id=unit_id,
                bed=str(bed),
                admitted_at=now - 24 * HOUR,
            )
            for bed in range(BEDS)
        ]
        sql.add_all(lying)
        sql.commit()
        return [each.id for each in lying]


def _team(
    workers: Workers,
    ledger: Ledger,
    auth: Auth,
    unit: str,
    unit_id: int,
    kind: str,
    starts_at: datetime,
) -> list[Nurse]:
    team = []
    for number in range(NURSES):
        account = auth.create_user(_address(unit, f"{kind}{number}"), "nurse", unit=unit)
        nurse = Nurse(workers, ledger, account, ahead=number % 3 != 2, unit_id=unit_id)
        nurse.shift_ends_at = starts_at + LENGTH
        nurse.works_until = nurse.shift_ends_at + HANDOFF
        team.append(nurse)
    with Sql(workers.engine) as sql:
        for nurse in team:
            times = {"starts_at": starts_at, "ends_at": starts_at + LENGTH}
            who = {"user_id": nurse.account.id, "unit_id": unit_id}
            sql.add(Shift(**who, **times, in_charge=nurse is team[0]))
        sql.commit()
    return team


def _address(unit: str, name: str) -> str:
    return f"{name}@{unit.replace(' ', '').lower()}.example"
