"""A hospital to list: six units, 200 patients, their appointments, and nurses on shift in one."""

from datetime import date, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import Unit, User
from carelink_api.clinical.models import Appointment, Patient
from carelink_api.clinical.patients.names import name_key
from carelink_api.shifts.models import Shift

WARD = "Ward 1"
UNITS = 6
PATIENTS = 200
APPOINTMENTS_EACH = 3
_FIRST = ("Ada", "Björn", "Chloé", "Dara", "Élise", "Femi", "Grace", "Hüseyin")
_LAST = ("Byron", "Łukasz", "Müller", "Nkemelu", "Okafor", "Petrov", "Quispe")


def settle(sql: Sql, doctor_id: int) -> int:
    """Fill the hospital; every nurse is on shift in the ward. Return the ward's id."""
    now = clock.now().replace(microsecond=0)
    units = [Unit(name=f"Ward {number}") for number in range(1, UNITS + 1)]
    sql.add_all(units)
    sql.flush()
    unit_ids = [unit.id for unit in units]
    names = [f"{_FIRST[i % 8]} {_LAST[i % 7]} {i}" for i in range(PATIENTS)]
    patients = [
        {
            "mrn": f"MRN-{i:06}",
            "name": name,
            "name_key": name_key(name),
            "birth_date": date(1930 + i % 90, 1 + i % 12, 1 + i % 28),
            "unit_id": unit_ids[i % UNITS],
            "bed": f"{i // UNITS}",
            "admitted_at": now - timedelta(hours=i),
        }
        for i, name in enumerate(names)
    ]
    patient_ids = sql.scalars(insert(Patient).returning(Patient.id), patients).all()
    sql.execute(
        insert(Appointment),
        [
            {
                "doctor_id": doctor_id,
                "patient_id": patient_id,
                "starts_at": now + timedelta(minutes=30 * (i + PATIENTS * number)),
                "ends_at": now + timedelta(minutes=30 * (i + PATIENTS * number) + 20),
                "description": "Ward round, wound check and medication review",
            }
            for number in range(APPOINTMENTS_EACH)
            for i, patient_id in enumerate(patient_ids)
        ],
    )
    nurses = sql.scalars(select(User.id).where(User.user_type == "nurse")).all()
    times = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(hours=8)}
    shifts = [{"user_id": nurse, "unit_id": unit_ids[0], **times} for nurse in nurses]
    sql.execute(insert(Shift), shifts)
    sql.commit()
    return unit_ids[0]
